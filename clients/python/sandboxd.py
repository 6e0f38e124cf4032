"""A client of the typed API of sandboxd, which runs Python programs in a sandbox.

    client = Client("http://127.0.0.1:8000")
    answer = client.run("print(6 * 7)")
    print(answer.verdict, answer.stdout)

    for event in client.stream("print(6 * 7)"):
        if event.event == "stdout":
            print(event.text, end="")

An error that the service reports is raised as a Problem. An answer that cannot be read is raised as an Error. A failure of the
connection is raised as OSError or http.client.HTTPException.

The file needs Python 3.9 or later and only the standard library: copy it next to your program. It ignores fields and events that
it does not know, so that it works with later versions of the service. docs/api.md of sandboxd describes the API.
"""

import base64
import dataclasses
import http.client
import json
import socket
import ssl
import typing
import urllib.parse
from typing import Any, Iterator, List, Mapping, Optional, Sequence, Type, TypedDict, TypeVar, Union

__all__ = [
    "Answer", "Client", "Denial", "Display", "Error", "Event", "FieldError", "Finding", "Isolation", "Limits", "Meta", "MetaInteger", "MetaLimits",
    "MetaNumber", "Outcome", "OutputFile", "Phases", "Problem", "Truncated", "Usage",
]

MAX_ANSWER = 128 << 20  # length in bytes of the longest answer that is accepted
# Length in bytes of the longest event that is accepted. An event has at most 8 MiB of displays or files, and JSON encodes a byte of text
# in at most six bytes.
MAX_EVENT = 64 << 20


class Limits(TypedDict, total=False):
    """Limits that a run sets for itself, within the bounds in Meta.limits. For the others, the defaults of the service apply."""

    wall_seconds: float  # wall-clock time of the program
    cpu_seconds: float  # user and system time of all processes together
    memory_bytes: int  # of all processes together, with the files that they write
    processes: int  # processes and threads at the same time, with the interpreter itself
    output_bytes: int  # kept of each stream; the rest is counted and dropped


@dataclasses.dataclass(frozen=True)
class Truncated:
    """Counts of the bytes of each stream, the displays and the files that an Answer does not contain, because of limits or because they
    cannot be returned."""

    stdout_bytes: int
    stderr_bytes: int
    displays: int
    files: int


@dataclasses.dataclass(frozen=True)
class Display:
    """One thing that a program showed: a picture, a table, a formula."""

    mime_type: str  # such as image/png
    title: str  # a description for people who cannot see the display
    text: str  # the content, of a type that is text
    base64: str  # the content, of any other type

    @property
    def data(self) -> bytes:
        """The content."""
        return _content(self.text, self.base64)


@dataclasses.dataclass(frozen=True)
class OutputFile:
    """A file that a program left."""

    path: str  # relative to the working directory
    size_bytes: int
    mime_type: str  # by the extension of the name
    text: str  # the content, if it is UTF-8
    base64: str  # the content, if it is not

    @property
    def data(self) -> bytes:
        """The content."""
        return _content(self.text, self.base64)


def _content(text: str, encoded: str) -> bytes:
    return base64.b64decode(encoded) if encoded else text.encode()


@dataclasses.dataclass(frozen=True)
class Finding:
    """A part of the source that a policy forbids."""

    rule: str
    message: str
    line: int  # from 1
    column: int  # from 1, in characters
    end_line: int
    end_column: int  # of the place after the last character


@dataclasses.dataclass(frozen=True)
class Denial:
    """A system call that the sandbox denied."""

    syscall: str
    count: int
    explanation: str


@dataclasses.dataclass(frozen=True)
class Usage:
    """The resources that a run used."""

    wall_seconds: float
    cpu_seconds: float  # user and system time of all processes
    peak_memory_bytes: int  # 0 if unknown


@dataclasses.dataclass(frozen=True)
class Phases:
    """The durations of the phases of a run."""

    queue_seconds: float  # until the run got a slot
    setup_seconds: float  # from then until the program started
    run_seconds: float
    warm: bool  # whether a jail was waiting for the program


@dataclasses.dataclass(frozen=True)
class Isolation:
    """The layers of the isolation during a run."""

    enforced: bool  # whether all required layers were in force
    missing: List[str]  # layers that were not in force, also those that are not required


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a run, without its output, displays and files."""

    id: str  # of the run, for Client.cancel and the service's log
    verdict: str  # exited, signaled, timeout, out_of_memory, cpu_limit, rejected or cancelled
    exit_code: Optional[int]  # for exited
    signal: Optional[str]  # for signaled, such as SIGSEGV
    reason: str  # one sentence for the author of the program
    truncated: Truncated
    findings: List[Finding]
    denials: List[Denial]
    usage: Usage
    phases: Phases
    isolation: Isolation


@dataclasses.dataclass(frozen=True)
class Answer(Outcome):
    """The outcome of a run and its output. Bytes of the output that are not UTF-8 are U+FFFD."""

    displays: List[Display]  # pictures, tables and formulas that the program showed, in order
    files: List[OutputFile]  # the files that collect names, sorted by path
    stdout: str
    stderr: str


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happens in a run."""

    event: str  # started, stdout, stderr, display or finished
    seq: int  # from 0, without a gap
    at_seconds: float  # since the program was started
    id: str  # of started and finished: the id of the run
    text: str  # of stdout and stderr: whole characters
    lost_bytes: int  # of stdout and stderr: bytes before the text that were lost, because this client read too slowly
    display: Optional[Display]  # of display
    outcome: Optional[Outcome]  # of finished, which is the last event
    files: List[OutputFile]  # of finished: the files that collect names


@dataclasses.dataclass(frozen=True)
class MetaNumber:
    """The bounds of a limit that is a number."""

    minimum: float
    default: float  # for a run that sets none
    maximum: float


@dataclasses.dataclass(frozen=True)
class MetaInteger:
    """The bounds of a limit that is an integer."""

    minimum: int
    default: int  # for a run that sets none
    maximum: int


@dataclasses.dataclass(frozen=True)
class MetaLimits:
    """The bounds of each of Limits."""

    wall_seconds: MetaNumber
    cpu_seconds: MetaNumber
    memory_bytes: MetaInteger
    processes: MetaInteger
    output_bytes: MetaInteger


@dataclasses.dataclass(frozen=True)
class Meta:
    """The environments, policies, limits and features that a service offers."""

    version: str
    environments: List[str]  # names for the environment of a run
    default_environment: str
    policies: List[str]  # names for the policy of a run
    default_policy: str
    limits: MetaLimits
    features: List[str]  # parts of the API that a service of an earlier version may not have


@dataclasses.dataclass(frozen=True)
class FieldError:
    """An error in a field of the request."""

    pointer: str  # JSON pointer (RFC 6901)
    detail: str


class Error(Exception):
    """The answer of the service cannot be read."""


class Problem(Error):
    """An error that the service, or a proxy in front of it, reports (RFC 9457)."""

    type: str  # such as /problems/busy; about:blank if the answer does not come from the service
    title: str
    status: int  # of HTTP
    detail: str
    errors: List[FieldError]  # for /problems/invalid-request: the fields that are wrong
    retry_after: Optional[int]  # seconds after which the request can be repeated
    request_id: Optional[str]  # id of the request in the service's log

    def __init__(self, fields: Mapping[str, Any], retry_after: Optional[int] = None, request_id: Optional[str] = None) -> None:
        for name in ("type", "title", "status", "detail", "errors"):
            setattr(self, name, _decode(typing.get_type_hints(Problem)[name], fields.get(name)))
        self.retry_after = retry_after
        self.request_id = request_id
        text = f"{self.title or 'The request failed'} ({self.status})"
        if self.detail:
            text += f": {self.detail}"
        for error in self.errors[1:]:  # the detail has the first one
            text += f"; {error.pointer} {error.detail}"
        super().__init__(text)


class Client:
    """Calls one service, at a URL such as https://example.com or http://127.0.0.1:8000, or at a Unix socket: unix:/path.

    The key, if there is one, is sent with each request (Authorization: Bearer). Use it with https, a loopback address or a Unix
    socket: plain HTTP shows the key to the network.

    timeout is the number of seconds that a call waits without receiving anything from the service; None means no limit. run receives
    nothing until the program has ended, so its timeout must be longer than the run may wait and take. stream receives an event or a
    comment at least every 10 seconds.

    Each call opens its own connection, so several threads can use one Client.
    """

    def __init__(
        self, url: str, key: Optional[str] = None, *, timeout: Optional[float] = None, context: Optional[ssl.SSLContext] = None
    ) -> None:
        if key is not None and not (key.isascii() and key.isprintable() and key and " " not in key):
            raise ValueError("the key has characters that a header cannot have")  # the message must not contain the key
        self._timeout, self._context = timeout, context
        self._headers = {} if key is None else {"Authorization": "Bearer " + key}
        self._socket: Optional[str] = None
        self._url = urllib.parse.urlsplit("http://localhost")
        if url.startswith("unix:"):
            self._socket = url[len("unix:"):]
            if not self._socket:
                raise ValueError("unix: without a path")
            return
        self._url = urllib.parse.urlsplit(url)
        if self._url.scheme not in ("http", "https") or not self._url.hostname or self._url.query or self._url.fragment or self._url.username:
            raise ValueError("not the URL of a service: give one such as http://127.0.0.1:8000 or unix:/path")

    def run(
        self, code: str, *, stdin: Optional[str] = None, args: Sequence[str] = (), env: Optional[Mapping[str, str]] = None,
        files: Optional[Mapping[str, Union[str, bytes]]] = None, environment: Optional[str] = None, policy: Optional[str] = None,
        limits: Optional[Limits] = None, collect: Sequence[str] = (),
    ) -> Answer:
        """Runs a program to its end.

        files maps the paths of files in the working directory to their contents. collect has patterns of files to return, such as
        out/**/*.csv.
        """
        request = _request(code, stdin, args, env, files, environment, policy, limits, collect)
        return _decode(Answer, self._call("POST", "/v1/runs", request))

    def stream(
        self, code: str, *, stdin: Optional[str] = None, args: Sequence[str] = (), env: Optional[Mapping[str, str]] = None,
        files: Optional[Mapping[str, Union[str, bytes]]] = None, environment: Optional[str] = None, policy: Optional[str] = None,
        limits: Optional[Limits] = None, collect: Sequence[str] = (),
    ) -> Iterator[Event]:
        """Runs a program and yields its events while it runs. The parameters are those of run.

        Closing the generator cancels the run. If the caller handles events too slowly, output is lost: see Event.lost_bytes. If it
        takes no event for 30 seconds, the service ends the run.
        """
        request = _request(code, stdin, args, env, files, environment, policy, limits, collect)
        connection, response = self._send("POST", "/v1/runs", "text/event-stream", request)
        try:
            yield from _events(response)
        finally:
            connection.close()

    def cancel(self, id: str) -> None:
        """Stops the run with this id, also if it waits for a slot. The answer to the request that started the run has the verdict
        cancelled.

        If there is no such run, or it has ended, a Problem with the type /problems/no-such-run is raised.
        """
        connection, _ = self._send("DELETE", "/v1/runs/" + urllib.parse.quote(id, safe=""), "application/json", None)
        connection.close()

    def meta(self) -> Meta:
        """Returns the environments, policies, limits and features that the service offers."""
        return _decode(Meta, self._call("GET", "/v1/meta"))

    def _call(self, method: str, path: str, body: Optional[Mapping[str, Any]] = None) -> Any:
        """Makes a request and returns the JSON of the answer."""
        connection, response = self._send(method, path, "application/json", body)
        try:
            text = response.read(MAX_ANSWER + 1)
        finally:
            connection.close()
        if len(text) > MAX_ANSWER:
            raise Error(f"the answer is longer than {MAX_ANSWER} bytes")
        return _parse(text)

    def _send(
        self, method: str, path: str, accept: str, body: Optional[Mapping[str, Any]]
    ) -> "tuple[http.client.HTTPConnection, http.client.HTTPResponse]":
        """Makes a request. The caller closes the connection. An answer other than success is raised as a Problem."""
        headers = {"Accept": accept, **self._headers}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        connection = self._connect()
        try:
            connection.request(method, self._url.path.rstrip("/") + path, data, headers)
            response = connection.getresponse()
            if not 200 <= response.status <= 299:
                raise _problem(response)
            return connection, response
        except BaseException:
            connection.close()
            raise

    def _connect(self) -> http.client.HTTPConnection:
        if self._socket is not None:
            return _UnixConnection(self._socket, self._timeout)
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=self._timeout)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: Optional[float]) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _request(
    code: str, stdin: Optional[str], args: Sequence[str], env: Optional[Mapping[str, str]],
    files: Optional[Mapping[str, Union[str, bytes]]], environment: Optional[str], policy: Optional[str], limits: Optional[Limits],
    collect: Sequence[str],
) -> Mapping[str, Any]:
    """Returns the body of a request, without the fields that are not given."""
    if isinstance(args, str) or isinstance(collect, str):
        raise TypeError("args and collect are lists of strings, not one string")
    body = {
        "code": code, "stdin": stdin, "args": list(args), "env": env and dict(env), "environment": environment, "policy": policy,
        "limits": limits, "collect": list(collect),
        "files": [
            {"path": path, "text": content} if isinstance(content, str)
            else {"path": path, "base64": base64.b64encode(content).decode()}
            for path, content in (files or {}).items()
        ],
    }
    return {name: value for name, value in body.items() if name == "code" or value}


def _events(response: http.client.HTTPResponse) -> Iterator[Event]:
    """Reads server-sent events. Unlike lines of JSON, these can contain comments. The service sends comments regularly, so that proxies do
    not close a connection without output."""
    following, data = 0, b""
    while True:
        line = response.readline(MAX_EVENT + 1)
        if not line.endswith(b"\n"):
            raise Error("the events end before the run" if len(line) <= MAX_EVENT else f"an event is longer than {MAX_EVENT} bytes")
        line = line.rstrip(b"\r\n")
        if line.startswith(b"data:"):  # the other fields repeat parts of the data; comments begin with a colon
            value = line[len(b"data:"):]
            data += (b"\n" if data else b"") + (value[1:] if value.startswith(b" ") else value)
            if len(data) > MAX_EVENT:
                raise Error(f"an event is longer than {MAX_EVENT} bytes")
        if line or not data:
            continue
        fields = _parse(data)
        data = b""
        if fields.get("seq") != following:
            raise Error(f"event {fields.get('seq')} follows event {following - 1}")
        following += 1
        kind = fields.get("event")
        if kind == "error":
            problem = fields.get("problem")
            raise Problem(problem if isinstance(problem, dict) else {}, request_id=response.headers.get("X-Request-Id"))
        event = _decode(Event, fields)
        if kind == "display":
            event = dataclasses.replace(event, display=_decode(Display, fields))
        if kind == "finished":
            yield dataclasses.replace(event, outcome=_decode(Outcome, fields))
            return
        yield event


def _parse(text: bytes) -> Any:
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise Error(f"the answer is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Error("the answer is not a JSON object")
    return fields


def _problem(response: http.client.HTTPResponse) -> Problem:
    """Makes a Problem of an answer."""
    text = response.read(64 << 10)
    fields: Any = None
    if response.headers.get_content_type() == "application/problem+json":
        try:
            fields = json.loads(text)
        except ValueError:
            pass
    if not isinstance(fields, dict) or not fields.get("type"):
        detail = " ".join(text.decode(errors="replace").split())
        fields = {"type": "about:blank", "title": response.reason, "detail": detail[:200] + ("…" if len(detail) > 200 else "")}
        if response.headers.get("Location"):  # it is not followed, because that would send the key to another address
            fields["detail"] = f"the address redirects to {response.headers['Location']}"
    retry = response.headers.get("Retry-After", "")
    return Problem(
        {**fields, "status": response.status}, int(retry) if retry.isascii() and retry.isdigit() else None, response.headers.get("X-Request-Id")
    )


T = TypeVar("T")


def _decode(kind: Type[T], value: Any) -> T:
    """Makes a value of a type from JSON. Unknown fields are ignored, and missing ones get an empty value."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    decoded: Any
    if dataclasses.is_dataclass(kind):
        fields = value if isinstance(value, dict) else {}
        hints = typing.get_type_hints(kind)
        decoded = kind(**{field.name: _decode(hints[field.name], fields.get(field.name)) for field in dataclasses.fields(kind)})
    elif origin is list:
        decoded = [_decode(arguments[0], item) for item in value or ()]
    elif origin is Union:  # Optional
        decoded = None if value is None else _decode(arguments[0], value)
    elif value is None:
        decoded = kind()
    else:
        decoded = value
    return typing.cast(T, decoded)
