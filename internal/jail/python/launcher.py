# The launcher. python3 imports this module as sitecustomize before it runs its main program, in the process of the program and in its
# jail. The launcher is no part of the isolation. It makes main.py behave like `python3 main.py`.
#
# The launcher waits for the program, which comes over the hand-off socket. Until then main.py, which the command line names, does not
# exist. The launcher compiles the program under the name "main.py" and writes the compiled code to main.py. When the interpreter has
# opened this file, the source replaces it (see Main). So the interpreter itself runs the program: no frame of the launcher is on the
# stack, and tracebacks and line numbers are the same as outside.
import _signal
import _thread
import _warnings
import marshal
import os
import sys

before = set(sys.modules)

import _frozen_importlib_external
import atexit
import gc
from _collections import deque
from _frozen_importlib_external import MAGIC_NUMBER
from _weakref import ReferenceType
from itertools import chain, islice, repeat

for name in set(sys.modules) - before:
    del sys.modules[name]  # a program must not find modules that only the launcher imported

SOURCE = "main.py"
ASIDE = ".main.py"  # the source, until the interpreter has opened the compiled code
STDIN = ".stdin"  # deleted as soon as it is open, before the files of the program are written
CHANNEL = 3  # the hand-off socket; inside/wire.go describes the protocol


early = []  # has an element for each interrupt that came before the program ran
send_line = None  # function that reports the current line of the program; None if the run has no displays


def flush_and_exit(signum, frame):
    """Handle SIGXCPU, which the daemon sends when the time of the program has run out: write the output that is still in the buffers."""
    try:
        if send_line:
            send_line(frame)
        sys.__stdout__.flush()
        sys.__stderr__.flush()
    finally:
        os._exit(1)


def report(kind, errno=0):
    os.write(CHANNEL, b"".join(n.to_bytes(4, sys.byteorder) for n in (ord(kind), 0, errno)))


ahead = bytearray()  # bytes that were received but not used yet
READ = 1 << 16  # bytes per read: most messages arrive with one read


def receive(most=READ):
    """Receive one part of the message, with at most most bytes after it. End this process if the daemon has closed the socket. A template
    must not receive bytes after its modules like that."""
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
    """Receive one part that is a list of NUL-terminated strings."""
    return receive().split(b"\0")[:-1]


def set_environment(variables):
    """Set variables like `NAME=value python3` does: in os.environ, and so in C's environment and that of child processes."""
    for variable in variables:
        name, _, value = variable.partition(b"=")
        os.environb[name] = value
        if name == b"TZ":
            sys.modules["time"].tzset()  # the module has already read the old value


def set_stdin(data):
    """Make data the standard input like `python3 < file` does: an unnamed file that is open for reading only. python3 has made
    sys.stdin for descriptor 0 while that was /dev/null. It has read nothing yet, so it reads the new file."""
    put(STDIN, data)
    fd = os.open(STDIN, os.O_RDONLY | os.O_CLOEXEC)
    os.unlink(STDIN)
    os.dup2(fd, 0)
    os.close(fd)


def make_file(path, data):
    os.makedirs(os.path.dirname(path) or b".", exist_ok=True)
    put(path, data)


def receive_rest(files):
    """Receive arguments, variables, standard input, files, and the program's use of the hand-off socket. If a file could not be made,
    return the error. The rest is received even then, because the daemon reads the answer only when it has sent everything."""
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
        data = None  # so that at most one file is in memory
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
    """Use the hand-off socket for standard input if live is not empty, and for displays if shows, their compiled module, is not empty.
    The module may have been loaded before. launch() closes descriptor CHANNEL later."""
    global send_line
    if live:
        _signal.signal(_signal.SIGINT, early.insert)  # the daemon may send interrupts from now on; see Begin
        os.dup2(CHANNEL, 0)
    if shows:
        if not display:
            load_display(shows)
        display["install"](CHANNEL)
        send_line = display["send_line"]


class Begin:
    """An object whose destruction lets interrupts reach the program.

    In a live run, keep_channel makes early.insert the handler of SIGINT. Python calls a handler with the number of the signal and a frame,
    so each interrupt adds a frame to early. This handler raises no exception: no interrupt ends the launcher in the middle of its work.

    Main.loader stores an object of this class as __loader__ of the main module. The interpreter replaces this name directly before it
    runs the program, and thereby destroys the object. The destructor makes SIGINT raise KeyboardInterrupt again, and repeats the
    interrupts that came before. The destructor calls only functions written in C, and Python handles no signal between such calls. So
    the first line of the program raises the exception.
    """

    __del__ = type(report.__get__(0))(deque, chain(
        map(_signal.signal, [_signal.SIGINT], [_signal.default_int_handler]),
        zip(early, iter(_thread.interrupt_main, True)),
        iter(early.clear, None)))


display = {}  # the names of the module for displays, when it has been loaded


def load_display(code):
    display["__name__"] = "sandboxd_display"
    exec(marshal.loads(code[16:]), display)  # a header of 16 bytes precedes the code, as in a .pyc file


class End:
    """A short end of the program.

    When a program ends, python3 destroys all modules and objects. That takes longer than most programs run, and in a child of a template
    it copies much of the template's memory. If nothing of the program can notice the difference, leave() flushes the streams and ends the
    process; otherwise python3 ends as usual. leave() destroys no object of the program, because an error message of a destructor would
    contain a frame of the launcher.
    """

    def __init__(self):
        self.kept = {}
        self.main = {}  # the names of the program's main module
        self.streams = sys.stdout, sys.stderr
        self.exit = None  # exit() of a template's module, which also flushes the streams of C; None with engine exec
        self.tracer, self.profiler = [], []
        tools, events = [], []  # of sys.monitoring
        # atexit calls these in reverse order: save and remove the events, the tracer and the profiler, leave(), and restore the profiler
        # and the events. Except for leave(), all calls are of C functions, so that nothing of the program sees a frame of the launcher.
        monitoring = getattr(sys, "monitoring", None)  # since Python 3.12
        if monitoring:
            atexit.register(deque, map(monitoring.set_events, tools, events), 0)
        atexit.register(deque, map(sys.setprofile, self.profiler), 0)
        atexit.register(self.leave)
        for get, set, was in ((sys.getprofile, sys.setprofile, self.profiler), (sys.gettrace, sys.settrace, self.tracer)):
            atexit.register(set, None)
            atexit.register(was.extend, islice(iter(get, self), 1))
        if monitoring:
            atexit.register(deque, map(monitoring.set_events, tools, repeat(0)), 0)
            atexit.register(events.extend, map(monitoring.get_events, tools))
            atexit.register(tools.extend, filter(monitoring.get_tool, range(6)))

    def keep(self):
        """Remember the modules and objects that exist now as python3's own, and not the program's."""
        self.kept.update(sys.modules)
        for name in ("__main__", "builtins", "sys"):
            self.kept.pop(name, None)
        gc.freeze()

    def leave(self):
        try:
            if sys._getframe(1):  # the program itself calls the registered functions (atexit._run_exitfuncs) and goes on
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
        except BaseException:  # python3 ends as usual and reports the error
            pass
        sys.settrace(self.tracer[-1])

    def is_whole(self):
        """Return whether the program has reached its last line, so that its exit status is 0. python3 sets __file__ and __cached__ in
        the main module while it runs it, and removes them afterwards, but not if SystemExit ended it (pythonrun.c)."""
        return ("__name__" in self.main and "__file__" not in self.main and "__cached__" not in self.main
                and not any(hasattr(sys, name) for name in ("last_exc", "last_type", "last_value")))

    def theirs(self):
        """Return the names of the modules that the program has imported."""
        return sys.modules.keys() - self.kept.keys() - {"builtins", "sys"}

    def all_is_python(self):
        """Return whether the program has imported no extension module. One in C may have written to buffered streams of C."""
        return not any(is_extension(sys.modules[name]) for name in self.theirs() - {"__main__"})

    def nothing_notices(self):
        """Return whether no object of the program acts when it is destroyed: no destructor, no callback of a weak reference or of the
        garbage collector, no open file, no unfinished generator or coroutine."""
        if gc.callbacks or gc.garbage or gc.get_debug() or not ignores_open_files():
            return False
        things = gc.get_objects()
        for kind in set(map(type, gc.get_referents(*things))):
            if not flags_of(kind) & HAVE_GC and any("__del__" in names_of(base) for base in bases_of(kind)):
                return False  # its instances are not in gc.get_objects(), so they cannot be checked
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
        """Return whether the callback of a weak reference belongs to the program, and not to a module that was there before."""
        if isinstance(getattr(callback, "__self__", None), ReferenceType):
            return False  # of the registry of an abstract base class (_abc.c)
        function = getattr(callback, "__func__", callback)
        home = getattr(function, "__globals__", {}).get("__name__")
        return callback is not None and home not in self.kept

    def flush(self):
        for stream in (sys.stdout, sys.stderr) + self.streams:
            stream.flush()


HAVE_GC = 1 << 14  # Py_TPFLAGS_HAVE_GC, object.h

# These read the attributes of a type without calling methods of its metaclass.
names_of = type.__dict__["__dict__"].__get__
bases_of = type.__dict__["__mro__"].__get__
flags_of = type.__dict__["__flags__"].__get__


def ignores_open_files():
    """Return whether Python gives no warning about a file that was not closed. The first filter that matches decides (warnings)."""
    warnings = sys.modules.get("warnings")
    for action, _, category, _, _ in warnings.filters if warnings else ():
        if issubclass(ResourceWarning, category):
            return action == "ignore"
    return True


# Types with a destructor, and a function that reports whether the destructor has nothing to do for an object. A file that is open only
# for reading has nothing to write.
LEAVES_NOTHING = dict.fromkeys(
    map(type, (sys.stdout, sys.stdout.buffer, sys.stdout.buffer.raw, sys.stdin.buffer)), lambda file: file.closed or not file.writable())


def has_no_handler(generator):
    """Return whether a generator is at its end, or in code without try and with, so that nothing runs when it is closed. The first byte of
    each entry in the table of exceptions has its highest bit set (Objects/exception_handling_notes.txt of CPython). Since Python 3.12,
    each generator has one for StopIteration."""
    if generator.gi_frame is None:
        return True
    table = getattr(generator.gi_code, "co_exceptiontable", None)  # since Python 3.11
    return table is not None and sum(byte >> 7 for byte in table) <= (sys.version_info >= (3, 12))


LEAVES_NOTHING[type(_ for _ in ())] = has_no_handler


def rehearse():
    """Do the same steps as for a program, with a program that does nothing. They write to memory that a child of a template shares with
    it, and the kernel copies each such page (copy-on-write). A waiting jail does this before the program arrives. A template does it in a
    child, to tell these pages from those that only drawing changes."""
    code = marshal.dumps(compile(b"print(end='')\n", SOURCE, "exec", dont_inherit=True))
    put("/dev/null", MAGIC_NUMBER + bytes(12) + code)  # the program must not find a file
    exec(marshal.loads(code), {"__name__": "__main__"})
    ahead[:0] = bytes(4 * 5)  # a message whose parts are empty, before the program's, which may have arrived
    receive_rest(0)
    display["rehearse"](CHANNEL)
    gc.collect()


def is_extension(module):
    return type(module.__spec__.loader).__name__ == "ExtensionFileLoader"


class Main:
    """The file that the interpreter opens as main.py.

    The interpreter recognizes compiled code by its first bytes. When it has opened the file, and before it runs the code, it looks up the
    class SourcelessFileLoader in importlib by name and calls it (pythonrun.c, set_main_loader). So a replacement of this class is called
    at the moment when the source can replace the compiled code.
    """

    def __init__(self, source, check, names):
        self.names = names
        self.home = os.path.dirname(os.path.abspath(SOURCE))
        self.path = [self.home] + sys.path  # as the interpreter sets it before it opens the file
        try:
            code = compile(source, SOURCE, "exec", dont_inherit=True) if check else self.compile(source)
        except BaseException as error:
            below = error.__traceback__.tb_next
            below = below and below.tb_next  # the frames below the calls above
            if not below and getattr(error, "filename", None) in (None, SOURCE):  # the compiler has refused the program
                if check:
                    sys.addaudithook(run_no_program)
                self.refuse()
                return
            code = self.fail(error, below)
        if check:
            os._exit(0)
        os.rename(SOURCE, ASIDE)
        self.put(code)
        self.real = _frozen_importlib_external.SourcelessFileLoader
        _frozen_importlib_external.SourcelessFileLoader = self.loader

    def compile(self, source):
        """Compile the program. Since Python 3.13, a warning of the compiler makes the interpreter import modules, which it first looks for
        beside main.py."""
        before = sys.path[:]
        sys.path[:] = self.path
        try:
            return compile(source, SOURCE, "exec", dont_inherit=True)
        finally:
            self.path = sys.path[:]  # such a module may have changed it
            sys.path[:] = before
            sys.path_importer_cache.pop(self.home, None)  # it may list .main.py

    def loader(self, name, path):
        _frozen_importlib_external.SourcelessFileLoader = self.real
        sys.path[:] = self.path
        os.rename(ASIDE, SOURCE)
        if _signal.getsignal(_signal.SIGINT) == early.insert:
            self.names["__loader__"] = Begin()  # the interpreter replaces it by what this function returns
        return _frozen_importlib_external.SourceFileLoader(name, path)

    @staticmethod
    def put(code):
        put(SOURCE, MAGIC_NUMBER + bytes(12) + marshal.dumps(code))

    @staticmethod
    def refuse():
        """Leave the source in main.py. The interpreter cannot compile it either, and reports the error as it does for a file. The program
        never begins: interrupts have no effect from now on, so that the report and the exit status are those of the error."""
        _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})

        def say(kind, error, traceback):
            path = os.path.abspath(SOURCE)
            if isinstance(error, SyntaxError) and error.msg:
                error.msg = error.msg.replace(path, SOURCE)
                if error.filename == path:
                    error.filename = SOURCE
            sys.__excepthook__(kind, error, traceback)

        # The first compilation has already shown the warnings. This is the list of the module warnings, which may be the program's own.
        _warnings.filters.insert(0, ("ignore", None, Warning, None, 0))
        sys.excepthook = say

    def fail(self, error, below):
        """Return code that ends with an error of a module that the compiler has imported. The report has no frame of this code. Only
        SystemExit is raised again: KeyboardInterrupt would end the process by a signal, which it does not during a compilation."""
        show = sys.excepthook
        sys.excepthook = lambda *_: show(type(error), error.with_traceback(below), below)
        self.names["error"] = error if isinstance(error, SystemExit) else Exception
        return compile("raise error", SOURCE, "exec")


def run_no_program(event, arguments):
    """An audit hook for a program that compile() has refused and that must not run. The interpreter may be able to compile the file:
    before Python 3.12 it ignores a NUL byte in a file. Then the hook ends the process before the code of the file runs. It ignores all
    other code: the interpreter may import a codec to read the file, and since Python 3.13 it imports modules to print the error."""
    if event == "exec" and arguments[0].co_filename == os.path.abspath(SOURCE):
        os._exit(0)


def new_main(nulled):
    """Make a new main module for the program and return its names. The old one is exempt from the garbage collector (gc.freeze in
    keep). The names that the policy forbids are None in this module only: imported modules have the real builtins."""
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
    sys.stdout.reconfigure(line_buffering=True)  # so that a kill does not lose printed lines
    _signal.signal(_signal.SIGXCPU, flush_and_exit)

    end = End()
    compile("", SOURCE, "exec")  # the first call initializes the compiler
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
        sandboxd_template.serve([name for name in modules.split(",") if name], report, rehearse, display, end)
        report("R")
        what = receive()
    if what == b"prepare":  # the jail waits for a program
        code = receive()
        if not display:
            load_display(code)
        rehearse()
        end.keep()
        what = receive()
    # By this call a forked process announces itself to the daemon, because _SC_ARG_MAX asks for the limit of the stack. The call returns
    # when the process has its own files of /proc. A bound method has no Python code, so a program that traces itself does not see it.
    os.register_at_fork(after_in_child=type(end.keep)(os.sysconf, os.sysconf_names["SC_ARG_MAX"]))
    nulled = [name for name in receive().decode().split(",") if name]
    source = receive()
    put(SOURCE, source)
    files = receive()
    failed = receive_rest(int(files)) if files else None
    if failed:
        report("F", failed.errno)
        os._exit(1)
    if display and not send_line:  # a run without displays
        display["revert"]()
    report("S")
    os.close(CHANNEL)

    # Tells the interpreter that main.py is not an archive. To find out itself, it would import zipimport.
    sys.path_importer_cache[os.path.abspath(SOURCE)] = None

    end.main = new_main(nulled)
    Main(source, what == b"check", end.main)


def is_first():
    """Return whether this is the first interpreter of the process. A subinterpreter imports sitecustomize again, but the first one has
    removed PYTHONPATH from the environment."""
    return os.environ.get("PYTHONPATH") == os.path.dirname(__file__)


if is_first():
    try:
        launch()
    except Exception as error:  # such as no space for the program: it cannot run
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)
else:
    sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(__file__)]
