"""Tests of the Python client against a running daemon, whose URL is in SANDBOXD_URL. cmd/sandboxd/client_python_test.go runs them."""

import ast
import contextlib
import dataclasses
import http.server
import inspect
import json
import os
import pathlib
import threading
import time
import typing
import unittest
import urllib.request

import sandboxd

URL = os.environ["SANDBOXD_URL"]
DOCUMENT = json.load(urllib.request.urlopen(URL + "/openapi.json"))
SCHEMAS = DOCUMENT["components"]["schemas"]

# The names of schemas, and the classes of the client for them.
CLASSES = {
    "RunDisplay": sandboxd.Display, "RunOutputFile": sandboxd.OutputFile,
    "RunAnswer": sandboxd.Answer, "RunTruncated": sandboxd.Truncated, "RunFinding": sandboxd.Finding, "RunDenial": sandboxd.Denial,
    "RunUsage": sandboxd.Usage, "RunPhases": sandboxd.Phases, "RunIsolation": sandboxd.Isolation, "RunLimits": sandboxd.Limits,
    "FieldError": sandboxd.FieldError, "Meta": sandboxd.Meta, "MetaLimits": sandboxd.MetaLimits, "MetaNumber": sandboxd.MetaNumber,
    "MetaInteger": sandboxd.MetaInteger,
}


def schema_type(schema):
    """Returns the type of the client for a schema."""
    if "$ref" in schema:
        return CLASSES[schema["$ref"].rsplit("/", 1)[1]]
    kind = schema["type"]
    if isinstance(kind, list):
        others = [k for k in kind if k != "null"]
        return typing.Optional[schema_type({**schema, "type": others[0]})]
    if kind == "array":
        return typing.List[schema_type(schema["items"])]
    return {"string": str, "integer": int, "number": float, "boolean": bool}[kind]


def differences(kind, schema):
    """Returns the properties that only a class or only a schema has, or that have different types."""
    hints = set(typing.get_type_hints(kind).items())
    described = {(name, schema_type(property)) for name, property in schema["properties"].items()}
    return hints ^ described


def reachable(value, found):
    """Collects the names of the schemas that a part of the document uses."""
    for item in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        reachable(item, found)
    if isinstance(value, dict) and isinstance(value.get("$ref"), str):
        name = value["$ref"].rsplit("/", 1)[1]
        if name not in found:
            found.add(name)
            reachable(SCHEMAS[name], found)


class Document(unittest.TestCase):
    def test_classes(self):
        for name, kind in CLASSES.items():
            with self.subTest(name):
                self.assertEqual(differences(kind, SCHEMAS[name]), set())

    def test_comparison_notices_differences(self):
        self.assertNotEqual(differences(sandboxd.Usage, SCHEMAS["RunPhases"]), set())
        changed = dataclasses.make_dataclass("Changed", [("stdout_bytes", str), ("stderr_bytes", int), ("displays", int), ("files", int)])
        self.assertEqual(differences(changed, SCHEMAS["RunTruncated"]), {("stdout_bytes", str), ("stdout_bytes", int)})

    def test_every_schema_has_a_counterpart(self):
        found = set()
        for path, item in DOCUMENT["paths"].items():
            if path.startswith("/v1/"):
                reachable(item, found)
        reachable(SCHEMAS["Event"], found)
        others = {"RunRequest", "RunFile", "Problem", "StartedEvent", "OutputEvent", "DisplayEvent", "FinishedEvent", "ErrorEvent"}
        self.assertEqual(found, set(CLASSES) | others)

    def test_request(self):
        for method in (sandboxd.Client.run, sandboxd.Client.stream):
            parameters = set(inspect.signature(method).parameters) - {"self"}
            self.assertEqual(parameters, set(SCHEMAS["RunRequest"]["properties"]))
        self.assertEqual(set(SCHEMAS["RunFile"]["properties"]), {"path", "text", "base64"})

    def test_events(self):
        head = {"event", "seq", "at_seconds"}
        self.assertEqual(set(SCHEMAS["ErrorEvent"]["properties"]), head | {"problem"})
        outcome = {field.name for field in dataclasses.fields(sandboxd.Outcome)}
        self.assertEqual(set(SCHEMAS["FinishedEvent"]["properties"]), head | outcome | {"files"})
        display = {field.name for field in dataclasses.fields(sandboxd.Display)}
        self.assertEqual(set(SCHEMAS["DisplayEvent"]["properties"]), head | display)
        described = {
            (name, schema_type(property))
            for event in ("StartedEvent", "OutputEvent") for name, property in SCHEMAS[event]["properties"].items()
        }
        hints = set(typing.get_type_hints(sandboxd.Event).items())
        self.assertEqual(hints, described | {
            ("outcome", typing.Optional[sandboxd.Outcome]), ("display", typing.Optional[sandboxd.Display]),
            ("files", typing.List[sandboxd.OutputFile]),
        })

    def test_problem(self):
        hints = set(typing.get_type_hints(sandboxd.Problem).items())
        described = {(name, schema_type(property)) for name, property in SCHEMAS["Problem"]["properties"].items()}
        self.assertEqual(hints - described, {("retry_after", typing.Optional[int]), ("request_id", typing.Optional[str])})
        self.assertLessEqual(described, hints)

    def test_syntax_is_that_of_python_3_9(self):
        ast.parse(pathlib.Path(sandboxd.__file__).read_text(encoding="utf-8"), feature_version=(3, 9))


class Runs(unittest.TestCase):
    def setUp(self):
        self.client = sandboxd.Client(URL, timeout=60)

    def both(self, code, **more):
        """Runs a program by run and by stream. Both must give the same result."""
        answer = self.client.run(code, **more)
        texts, last, displays = {"stdout": "", "stderr": ""}, None, []
        for n, event in enumerate(self.client.stream(code, **more)):
            self.assertIsNone(last)
            self.assertEqual(event.seq, n)
            if event.event in texts:
                texts[event.event] += event.text
            elif event.event == "started":
                self.assertEqual(n, 0)
                self.assertTrue(event.id.startswith("run_"))
            elif event.event == "display":
                displays.append(event.display)
            else:
                self.assertEqual(event.event, "finished")
                last = event.outcome
                self.assertEqual(event.files, answer.files)
        self.assertEqual(displays, answer.displays)
        self.assertEqual(texts, {"stdout": answer.stdout, "stderr": answer.stderr})
        for field in ("verdict", "exit_code", "signal", "reason", "truncated", "findings", "denials", "isolation"):
            if field != "reason" or answer.verdict != "cancelled":
                self.assertEqual(getattr(last, field), getattr(answer, field))
        return answer

    def test_program(self):
        answer = self.both("print('é')")
        self.assertEqual((answer.verdict, answer.exit_code, answer.signal, answer.stdout), ("exited", 0, None, "é\n"))
        self.assertGreater(answer.usage.cpu_seconds, 0)
        self.assertIsInstance(answer.phases.warm, bool)

    def test_all_that_a_program_can_bring_along(self):
        answer = self.both(
            "import os, sys\nprint(sys.argv[1:], input(), os.environ['NAME'], open('a/b').read(), open('c', 'rb').read(), os.path.getsize('empty'))\nsys.exit(3)",
            stdin="one\n", args=["-x", "ř"], env={"NAME": "värde"}, policy="off", environment="default",
            files={"a/b": "text", "c": b"\x00\xff", "empty": ""},
        )
        self.assertEqual(answer.stdout, "['-x', 'ř'] one värde text b'\\x00\\xff' 0\n")
        self.assertEqual(answer.exit_code, 3)

    def test_limits(self):
        self.assertEqual(self.both("while True: pass", limits={"wall_seconds": 0.25}).verdict, "timeout")
        self.assertEqual(self.both("x = bytearray(200 << 20)", limits={"memory_bytes": 64 << 20}).verdict, "out_of_memory")
        answer = self.both("print('x' * 100, end='')", limits={"output_bytes": 7})
        self.assertEqual((answer.stdout, answer.truncated.stdout_bytes), ("xxxxxxx", 93))

    def test_displays_and_files(self):
        answer = self.both(
            "display('x', title='t')\nclass P:\n    def _repr_png_(self): return b'png'\ndisplay(P())\n"
            "open('a.csv', 'w').write('1,2')\nopen('b.bin', 'wb').write(b'\\xff')\nopen('c.txt', 'w')", collect=["*.csv", "*.bin"],
        )
        self.assertEqual([(d.mime_type, d.title, d.data) for d in answer.displays], [("text/plain", "t", b"'x'"), ("image/png", "", b"png")])
        self.assertEqual([(f.path, f.size_bytes, f.data) for f in answer.files], [("a.csv", 3, b"1,2"), ("b.bin", 1, b"\xff")])
        self.assertEqual((answer.truncated.displays, answer.truncated.files), (0, 0))
        self.assertEqual(self.both("while True: pass", limits={"cpu_seconds": 0.25}).verdict, "cpu_limit")

    def test_findings(self):
        answer = self.both("print(1)\nprint('🐍', eval)", policy="strict")
        self.assertEqual((answer.verdict, answer.exit_code), ("rejected", None))
        self.assertEqual([(f.rule, f.line, f.column, f.end_line, f.end_column) for f in answer.findings], [("builtin", 2, 12, 2, 16)])

    def test_signal_and_denials(self):
        answer = self.both("import os\ntry: os.setuid(0)\nexcept PermissionError: os.kill(os.getpid(), 11)", policy="off")
        self.assertEqual((answer.verdict, answer.signal), ("signaled", "SIGSEGV"))
        self.assertEqual([(d.syscall, d.count) for d in answer.denials], [("setuid", 1)])

    def test_bytes_that_are_not_utf8(self):
        self.assertEqual(self.both("import sys\nsys.stdout.buffer.write(b'a\\xff\\xc3\\xa9\\xe2\\x82')").stdout, "a\ufffdé\ufffd\ufffd")

    def test_output_comes_while_the_program_runs(self):
        begin, first = time.monotonic(), None
        for event in self.client.stream("import time\nprint(1, flush=True)\ntime.sleep(2)"):
            if event.event == "stdout" and first is None:
                first = time.monotonic() - begin
        self.assertGreater(time.monotonic() - begin - first, 1.5)

    def test_problems(self):
        for more, pointer in (
            ({"policy": "none"}, "/policy"), ({"limits": {"wall_seconds": 1e6}}, "/limits/wall_seconds"),
            ({"files": {"../a": ""}}, "/files/0/path"), ({"env": {"LD_PRELOAD": "x"}}, "/env/LD_PRELOAD"),
            ({"limits": {"colour": 1}}, "/limits/colour"), ({"stdin": "x", "policy": "strict"}, "/stdin"),
        ):
            for call in (self.client.run, lambda code, **more: list(self.client.stream(code, **more))):
                with self.subTest(pointer), self.assertRaises(sandboxd.Problem) as raised:
                    call("pass", **more)
                problem = raised.exception
                self.assertEqual((problem.type, problem.status), ("/problems/invalid-request", 422))
                self.assertEqual(problem.errors[0].pointer, pointer)
                self.assertIn(problem.errors[0].detail, str(problem))
                self.assertTrue(problem.request_id)

    def test_closing_a_stream_cancels_the_run(self):
        def cancelled():
            text = urllib.request.urlopen(URL + "/metrics").read().decode()
            return int(text.split('sandboxd_runs_total{verdict="cancelled"} ')[1].split()[0])

        before = cancelled()
        with contextlib.closing(self.client.stream("while True: pass")) as events:
            self.assertEqual(next(events).event, "started")
        deadline = time.monotonic() + 10
        while cancelled() == before:
            self.assertLess(time.monotonic(), deadline, "the run goes on")
            time.sleep(0.02)

    def test_cancel(self):
        outcome = None
        for event in self.client.stream("print(1)\nwhile True: pass"):
            if event.event == "started":
                run = event.id
            elif event.event == "stdout":
                self.client.cancel(run)
            else:
                outcome = event.outcome
        self.assertEqual((outcome.id, outcome.verdict), (run, "cancelled"))
        for id in (run, "run_X", "a/b?c"):
            with self.assertRaises(sandboxd.Problem) as raised:
                self.client.cancel(id)
            self.assertEqual(raised.exception.status, 404)

    def test_meta(self):
        meta = self.client.meta()
        self.assertEqual((meta.environments, meta.default_environment), (["default"], "default"))
        self.assertEqual((meta.policies, meta.default_policy), (["off", "permissive", "strict"], "permissive"))
        self.assertEqual(meta.limits.wall_seconds, sandboxd.MetaNumber(0.01, 20, 20))
        self.assertLessEqual({"streams", "cancel"}, set(meta.features))

    def test_unix_socket(self):
        self.assertEqual(sandboxd.Client("unix:" + os.environ["SANDBOXD_SOCKET"]).run("print(1)").stdout, "1\n")

    def test_mistakes(self):
        for url in ("", "127.0.0.1:8000", "ftp://a", "http://", "http://a/?x=1", "unix:", "http://user:secret@a"):
            with self.assertRaises(ValueError) as raised:
                sandboxd.Client(url)
            self.assertNotIn("secret", str(raised.exception))
        with self.assertRaises(ValueError) as raised:
            sandboxd.Client(URL, "secret\n")
        self.assertNotIn("secret", str(raised.exception))
        with self.assertRaises(TypeError):
            self.client.run("pass", args="-x")


class Fake(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).seen = (self.path, self.headers.get("Authorization"))
        status, headers, body = type(self).answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client may not read all
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class OtherServices(unittest.TestCase):
    """Tests with a server that gives answers which no daemon of this version gives."""

    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fake)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.client = sandboxd.Client(f"http://127.0.0.1:{self.server.server_port}/below/", "abc", timeout=60)

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def answers(self, status, content_type, body, **headers):
        Fake.answer = (status, {"Content-Type": content_type, **headers}, body)

    def test_unknown_fields_are_ignored_and_missing_ones_are_empty(self):
        self.answers(200, "application/json", b'{"stdout":"x","later":{"a":[]},"usage":{"later":1,"cpu_seconds":2}}')
        answer = self.client.run("pass")
        self.assertEqual((answer.stdout, answer.verdict, answer.exit_code, answer.findings), ("x", "", None, []))
        self.assertEqual(answer.usage, sandboxd.Usage(0.0, 2, 0))
        self.assertEqual(Fake.seen, ("/below/v1/runs", "Bearer abc"))

    def test_unknown_events(self):
        self.answers(200, "text/event-stream", b': a comment\n\nretry: 5\ndata: {"event":"later","seq":0}\n\n'
                     b'data: {"event":"stdout","seq":1,\ndata:"text":"a","lost_bytes":3}\r\n\r\ndata: {"event":"finished","seq":2,"later":1,"verdict":"exited"}\n\nrest')
        events = list(self.client.stream("pass"))
        self.assertEqual([(e.event, e.text, e.lost_bytes) for e in events], [("later", "", 0), ("stdout", "a", 3), ("finished", "", 0)])
        self.assertEqual(events[2].outcome.verdict, "exited")

    def test_streams_that_break(self):
        for rest, message in (
            (b"data: {", "the events end before the run"), (b"", "the events end before the run"),
            (b'data: {"seq":2}\n\n', "event 2 follows event 0"), (b"data: {\n\n", "the answer is not JSON"),
            (b"data: " + b"x" * (sandboxd.MAX_EVENT + (1 << 20)), "an event is longer"), (b"data: " + b"\ndata: ".join([b"x" * (1 << 20)] * ((sandboxd.MAX_EVENT >> 20) + 1)) + b"\n", "an event is longer"),
            (b'data: {"event":"error","seq":1,"problem":{"type":"/problems/busy","status":503,"later":1}}\n\n', "The request failed (503)"),
        ):
            with self.subTest(message):
                self.answers(200, "text/event-stream", b'data: {"event":"started","seq":0,"id":"run_1"}\n\n' + rest)
                events = self.client.stream("pass")
                self.assertEqual(next(events).id, "run_1")
                with self.assertRaises(sandboxd.Error) as raised:
                    list(events)
                self.assertIn(message, str(raised.exception))

    def test_problems(self):
        self.answers(503, "application/problem+json", b'{"type":"/problems/busy","title":"Busy","status":503,"detail":"full","later":1}', **{"Retry-After": "7"})
        with self.assertRaises(sandboxd.Problem) as raised:
            self.client.run("pass")
        self.assertEqual((raised.exception.type, raised.exception.retry_after, str(raised.exception)), ("/problems/busy", 7, "Busy (503): full"))
        self.answers(502, "text/html", b"<h1>Bad</h1>\n" + b"x" * 1000)
        with self.assertRaises(sandboxd.Problem) as raised:
            list(self.client.stream("pass"))
        self.assertEqual((raised.exception.type, raised.exception.status, len(raised.exception.detail)), ("about:blank", 502, 201))
        self.answers(307, "text/html", b"", Location="http://elsewhere.example/")
        with self.assertRaises(sandboxd.Problem) as raised:
            self.client.run("pass")
        self.assertEqual(raised.exception.detail, "the address redirects to http://elsewhere.example/")

    def test_answers_that_are_not_of_the_service(self):
        for body in (b"[]", b"{", b"\xff"):
            self.answers(200, "application/json", body)
            with self.assertRaises(sandboxd.Error):
                self.client.run("pass")


if __name__ == "__main__":
    unittest.main()
