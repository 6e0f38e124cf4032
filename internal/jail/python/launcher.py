# The launcher: python3 imports this as sitecustomize before it runs its main program, in the
# program's own process, jailed as the program is. It is no part of the wall; it makes main.py
# behave as `python3 main.py` would.
#
# The interpreter has started when this runs, and waits here for the program, which comes over the
# hand-off socket. The command line names main.py, which does not exist until then. The launcher compiles the program
# under the name "main.py" and puts the compiled code where the interpreter opens its main program; as soon as it has,
# the source takes that place (see Main). So no frame of ours lies below the program's, its tracebacks and
# line numbers are its own, and the code that runs is the program's alone.
import _signal
import _thread
import marshal
import os
import sys

before = set(sys.modules)

import _frozen_importlib_external
import atexit
import gc
from _collections import deque
from _frozen_importlib_external import MAGIC_NUMBER
from _functools import partial
from _weakref import ReferenceType
from itertools import islice

for name in set(sys.modules) - before:
    del sys.modules[name]  # a program does not see that we needed them

SOURCE = "main.py"
ASIDE = ".main.py"  # the source, until the interpreter has opened the compiled code
STDIN = ".stdin"  # has this name for a moment only, before there are files of the program
CHANNEL = 3  # the hand-off socket; inside/wire.go has the protocol


send_line = None  # reports where the program is, if the daemon wants displays


def flush_and_exit(signum, frame):
    """The time of the program ran out: what was printed without a newline is still in the buffers."""
    try:
        if send_line:
            send_line(frame)
        sys.__stdout__.flush()
        sys.__stderr__.flush()
    finally:
        os._exit(1)


def report(kind, errno=0):
    os.write(CHANNEL, b"".join(n.to_bytes(4, sys.byteorder) for n in (ord(kind), 0, errno)))


ahead = bytearray()  # what was read of the hand-off and not used yet
READ = 1 << 16  # bytes that are read at a time: most hand-offs come with one read


def receive(most=READ):
    """Return one part of the hand-off. If the daemon ends, this process ends. At most so many bytes are read beyond the part: what comes
    after a template's modules must not be read like that."""
    def exactly(size):
        while len(ahead) < size:
            chunk = os.read(CHANNEL, max(most, size - len(ahead)))
            if not chunk:
                os._exit(1)
            ahead.extend(chunk)
        data = bytes(ahead[:size])
        del ahead[:size]
        return data

    return exactly(int.from_bytes(exactly(4), sys.byteorder))


def put(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    while data:
        data = data[os.write(fd, data):]
    os.close(fd)


def words():
    """A part of words, each with a NUL at its end."""
    return receive().split(b"\0")[:-1]


def set_environment(variables):
    """As `NAME=value python3` does: in os.environ, and so in C's environment and in that of child processes."""
    for variable in variables:
        name, _, value = variable.partition(b"=")
        os.environb[name] = value
        if name == b"TZ":
            sys.modules["time"].tzset()  # it has looked already


def set_stdin(data):
    """As `python3 < file` does: a file without a name, open for reading only. The sys.stdin that python3 made of
    /dev/null has read nothing yet, and reads descriptor 0."""
    put(STDIN, data)
    fd = os.open(STDIN, os.O_RDONLY | os.O_CLOEXEC)
    os.unlink(STDIN)
    os.dup2(fd, 0)
    os.close(fd)


def make_file(path, data):
    os.makedirs(os.path.dirname(path) or b".", exist_ok=True)
    put(path, data)


def receive_rest(files):
    """Receive arguments, variables, standard input, files, and what the program uses the hand-off socket for. Return the error that
    kept a file from being made, if there was one. Everything is received even then, since the daemon listens only when it has sent
    everything."""
    arguments = [os.fsdecode(argument) for argument in words()]
    sys.argv[1:] = arguments
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[2:] = arguments
    set_environment(words())
    failed = None
    data = receive()
    try:
        if data:
            set_stdin(data)
    except OSError as error:
        failed = error
    for _ in range(files):
        data = None  # at most one of them is in memory
        path, data = receive(), receive()
        try:
            if not failed:
                make_file(path, data)
        except OSError as error:
            failed = error
    live, shows = receive(), receive()
    if not failed:
        keep_channel(live, shows)
    return failed


def keep_channel(live, shows):
    """Let the hand-off socket be standard input, and the channel of displays, whose module is shows, unless it has been loaded. The
    number of the socket is closed later."""
    global send_line
    if live:
        os.dup2(CHANNEL, 0)
    if shows:
        if not display:
            load_display(shows)
        display["install"](CHANNEL)
        send_line = display["send_line"]


display = {}  # the names of the module for displays, when it has been loaded


def load_display(code):
    display["__name__"] = "sandboxd_display"
    exec(marshal.loads(code[16:]), display)  # a header of 16 bytes precedes the code, as in a .pyc file


class End:
    """The end of the program.

    python3 takes all of itself apart then. That takes longer than most programs run, and a child of a template copies
    a good part of the template's memory for it. If nothing is left that could notice, the streams are flushed
    and the process ends here; otherwise python3 does all of it. Nothing of the program is destroyed here: what
    a destructor says would name our frame.
    """

    def __init__(self):
        self.kept = {}
        self.main = {}  # the names of the program's main module
        self.streams = sys.stdout, sys.stderr
        self.exit = None  # of a template's module: ends as C does, its own streams flushed
        self.tracer, self.profiler = [], []
        # The first to be registered is called last. All but leave() are calls that no tracer sees.
        atexit.register(partial(deque, map(sys.setprofile, self.profiler), 0))
        atexit.register(self.leave)
        for get, set, was in ((sys.getprofile, sys.setprofile, self.profiler), (sys.gettrace, sys.settrace, self.tracer)):
            atexit.register(set, None)
            atexit.register(was.extend, islice(iter(get, self), 1))

    def keep(self):
        """Take what is there now for python3's, not the program's."""
        self.kept.update(sys.modules)
        for name in ("__main__", "builtins", "sys"):
            self.kept.pop(name, None)
        gc.freeze()

    def leave(self):
        try:
            if sys._getframe(1):  # a program that calls what is registered, and goes on
                return
        except ValueError:
            pass
        try:
            whole = self.is_whole()
            if not _thread._count() and (self.exit or whole and self.all_is_python()) and self.nothing_notices():
                if whole:
                    self.flush()
                    (self.exit or os._exit)(0)
                for name, module in self.kept.items():
                    if sys.modules.get(name) is module:
                        del sys.modules[name]
        except BaseException:  # python3 has words for it
            pass
        sys.settrace(self.tracer[-1])

    def is_whole(self):
        """Whether the program came to its last line, so that its status is 0. python3 gives the main module two names
        for its run and takes them away again, but not where SystemExit ends it (pythonrun.c)."""
        return ("__name__" in self.main and "__file__" not in self.main and "__cached__" not in self.main
                and not any(hasattr(sys, name) for name in ("last_exc", "last_type", "last_value")))

    def theirs(self):
        return sys.modules.keys() - self.kept.keys() - {"builtins", "sys"}

    def all_is_python(self):
        """No module in C, which may have written to streams of C's."""
        return not any(is_extension(sys.modules[name]) for name in self.theirs() - {"__main__"})

    def nothing_notices(self):
        """Whether nothing that the program made is told of its end: no destructor, no callback of a weak reference
        or of the collector, no open file, no unfinished generator or coroutine."""
        if gc.callbacks or gc.garbage or gc.get_debug() or not ignores_open_files():
            return False
        things = gc.get_objects()
        for kind in set(map(type, gc.get_referents(*things))):
            if not flags_of(kind) & HAVE_GC and any("__del__" in names_of(base) for base in bases_of(kind)):
                return False  # the collector does not know its objects
        for kind in set(map(type, things)):
            if any("__del__" in names_of(base) for base in bases_of(kind)):
                remains = LEAVES_NOTHING.get(kind)
                if not remains or not all(remains(thing) for thing in things if type(thing) is kind):
                    return False
            elif issubclass(kind, ReferenceType):
                if any(self.is_noticed(thing.__callback__) for thing in things if type(thing) is kind):
                    return False
        return True

    def is_noticed(self, callback):
        """Whether a weak reference calls back what is the program's, and not a library's book-keeping."""
        if isinstance(getattr(callback, "__self__", None), ReferenceType):
            return False  # of the registry of an abstract base class (_abc.c)
        function = getattr(callback, "__func__", callback)
        home = getattr(function, "__globals__", {}).get("__name__")
        return callback is not None and home not in self.kept

    def flush(self):
        for stream in (sys.stdout, sys.stderr) + self.streams:
            stream.flush()


HAVE_GC = 1 << 14  # Py_TPFLAGS_HAVE_GC, object.h

# Without a call of what a metaclass defines.
names_of = type.__dict__["__dict__"].__get__
bases_of = type.__dict__["__mro__"].__get__
flags_of = type.__dict__["__flags__"].__get__

def ignores_open_files():
    """Whether nobody is warned of a file that was not closed. The first filter that matches decides (warnings)."""
    warnings = sys.modules.get("warnings")
    for action, _, category, _, _ in warnings.filters if warnings else ():
        if issubclass(ResourceWarning, category):
            return action == "ignore"
    return True


# Kinds with a destructor, and when it has nothing to do. A file that can only be read has nothing to write.
LEAVES_NOTHING = dict.fromkeys(
    map(type, (sys.stdout, sys.stdout.buffer, sys.stdout.buffer.raw, sys.stdin.buffer)), lambda file: file.closed or not file.writable())


def has_no_handler(generator):
    """Whether a generator is at its end, or in code without try and with, so that nothing runs when it is closed. The first byte of each
    entry in the table of exceptions has its highest bit set (Objects/exception_handling_notes.txt of CPython). Since Python 3.12, each
    generator has one for StopIteration."""
    if generator.gi_frame is None:
        return True
    table = getattr(generator.gi_code, "co_exceptiontable", None)  # since Python 3.11
    return table is not None and sum(byte >> 7 for byte in table) <= (sys.version_info >= (3, 12))


LEAVES_NOTHING[type(_ for _ in ())] = has_no_handler


def rehearse():
    """Do what comes with every program, for one that does nothing. A child of a template writes to memory that it shares, which the
    kernel then copies page by page. In a jail that waits, this happens before there is a program."""
    code = marshal.dumps(compile(b"print(end='')\n", SOURCE, "exec", dont_inherit=True))
    put("/dev/null", MAGIC_NUMBER + bytes(12) + code)  # nowhere that the program would see
    exec(marshal.loads(code), {"__name__": "__main__"})
    gc.collect()


def is_extension(module):
    return type(module.__spec__.loader).__name__ == "ExtensionFileLoader"


class Main:
    """What the interpreter opens as main.py.

    It takes a file for compiled code that begins as such. Before it runs the code it makes a loader, and looks for the
    loader's class in importlib by name (pythonrun.c, set_main_loader): at that moment the file is open, and the
    source can take its place.
    """

    def __init__(self, source, check):
        try:
            code = compile(source, SOURCE, "exec", dont_inherit=True)
        except Exception:
            if check:
                sys.addaudithook(run_no_program)
            self.refuse()
            return
        if check:
            os._exit(0)
        os.rename(SOURCE, ASIDE)
        put(SOURCE, MAGIC_NUMBER + bytes(12) + marshal.dumps(code))
        self.real = _frozen_importlib_external.SourcelessFileLoader
        _frozen_importlib_external.SourcelessFileLoader = self.loader

    def loader(self, name, path):
        _frozen_importlib_external.SourcelessFileLoader = self.real
        os.rename(ASIDE, SOURCE)
        return _frozen_importlib_external.SourceFileLoader(name, path)

    def refuse(self):
        """Leave main.py to the interpreter, which cannot compile it either, and has the words for a file."""
        import warnings

        def say(kind, error, traceback):
            path = os.path.abspath(SOURCE)
            if isinstance(error, SyntaxError) and error.msg:
                error.msg = error.msg.replace(path, SOURCE)
                if error.filename == path:
                    error.filename = SOURCE
            sys.__excepthook__(kind, error, traceback)

        warnings.simplefilter("ignore")  # those have been seen
        sys.excepthook = say


def run_no_program(event, arguments):
    """An audit hook that ends the process before the interpreter runs a main program that it can compile after all: of
    a file with a NUL, Python before 3.12 takes no notice. Reading one may need a codec, which is imported."""
    if event == "exec" and not arguments[0].co_filename.startswith(os.path.dirname(os.__file__) + "/"):
        os._exit(0)


def new_main(nulled):
    """The main module of the program is its own; of the first one the collector knows nothing any more. The names
    that the policy takes away are None in that module only: what it imports has the real builtins."""
    old = sys.modules["__main__"]
    main = sys.modules["__main__"] = type(sys)("__main__")
    main.__dict__.update(old.__dict__)
    main.__dict__.update(dict.fromkeys(nulled))
    return main.__dict__


def launch():
    for name in ("PYTHONPATH", "PYTHONNOUSERSITE"):
        os.environ.pop(name, None)
    here = os.path.dirname(__file__)
    sys.path[:] = [entry for entry in sys.path if entry != here]
    sys.path_importer_cache.pop(here, None)
    sys.argv[:] = [SOURCE]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[1:] = [SOURCE]
    sys.stdout.reconfigure(line_buffering=True)  # what was printed survives a kill
    _signal.signal(_signal.SIGXCPU, flush_and_exit)

    end = End()
    compile("", SOURCE, "exec")  # the compiler prepares itself when it is first called
    end.keep()

    report("R")
    what = receive(0)
    if what == b"template":
        modules = receive(0).decode()
        load_display(receive(0))
        sys.path.insert(0, here)
        import sandboxd_template

        del sys.modules[sandboxd_template.__name__], sys.path[0]
        sys.path_importer_cache.pop(here, None)
        sandboxd_template.serve([name for name in modules.split(",") if name], report, end)
        report("R")
        what = receive()
    if what == b"prepare":  # the jail waits for a program
        code = receive()
        if not display:
            load_display(code)
        rehearse()
        end.keep()
        what = receive()
    nulled = [name for name in receive().decode().split(",") if name]
    source = receive()
    put(SOURCE, source)
    files = receive()
    failed = receive_rest(int(files)) if files else None
    if failed:
        report("F", failed.errno)
        os._exit(1)
    report("S")
    os.close(CHANNEL)

    # The interpreter would find out by itself that its main program is no archive, with an import.
    sys.path_importer_cache[os.path.abspath(SOURCE)] = None

    end.main = new_main(nulled)
    Main(source, check=what == b"check")


def is_first():
    """Whether this is the first interpreter of the process. A subinterpreter imports sitecustomize again, in an
    environment from which the first one has taken what is ours."""
    return os.environ.get("PYTHONPATH") == os.path.dirname(__file__)


if is_first():
    try:
        launch()
    except Exception as error:  # no space for the program: not a thing to go on after
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)
else:
    sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(__file__)]
