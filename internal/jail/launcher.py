# The launcher: python3 imports this as sitecustomize before it runs its main program, in the
# program's own process, jailed as the program is. It is no part of the wall; it makes main.py
# behave as `python3 main.py` would.
#
# The interpreter has started when this runs, and waits here for the program, which comes over the
# hand-off socket. The main program named on the command line is a compiled file that does not exist
# until then. It is written here, and when this import returns the interpreter finds it: so no
# frame of ours lies below the program's, and its tracebacks, its line numbers and the name "main.py"
# are its own.
import _signal
import _thread
import marshal
import os
import sys

before = set(sys.modules)

import atexit
import gc
from _frozen_importlib_external import MAGIC_NUMBER

for name in set(sys.modules) - before:
    del sys.modules[name]  # a program does not see that we needed them

SOURCE = "main.py"
COMPILED = "/run/main.pyc"
CHANNEL = 3  # the hand-off socket; inside/wire.go has the protocol


def flush_and_exit(signum, frame):
    """The wall clock ran out: what was printed without a newline is still in the buffers."""
    try:
        sys.__stdout__.flush()
        sys.__stderr__.flush()
    finally:
        os._exit(1)


def restrict(main, nulled):
    """Make builtins None in the main module's eyes only: what it imports has the real ones."""
    import builtins

    seen = dict(vars(builtins))
    seen.update(dict.fromkeys(nulled))
    if "__import__" in nulled:
        # The import statement calls it through the builtins, the program by a global name.
        seen["__import__"] = builtins.__import__
        main.__dict__["__import__"] = None
    main.__dict__["__builtins__"] = seen


def report(kind):
    os.write(CHANNEL, ord(kind).to_bytes(4, sys.byteorder) + bytes(8))


def receive():
    """One part of what is handed over. The daemon's end is the end of this process."""
    def exactly(size):
        data = bytearray()
        while len(data) < size:
            chunk = os.read(CHANNEL, size - len(data))
            if not chunk:
                os._exit(1)
            data += chunk
        return bytes(data)

    return exactly(int.from_bytes(exactly(4), sys.byteorder))


def put(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    while data:
        data = data[os.write(fd, data):]
    os.close(fd)


class End:
    """The end of the program.

    python3 takes all of itself apart then. That takes longer than most programs run, and what is forked
    from a template copies a good part of that for it. So what somebody can notice of it is done
    here: what the program made is destroyed, and the streams are flushed. Where that leaves nothing
    that wants to be told of its end, the rest is left undone; otherwise all of it is python3's.
    """

    def __init__(self):
        self.mark = os.urandom(16).hex()
        self.kept = {}
        self.streams = sys.stdout, sys.stderr
        self.exit = None  # of a template's module: ends as C does, its own streams flushed
        atexit.register(self.leave)  # before others want to be called: the first comes last

    def keep(self):
        """Take what is there now for python3's, not the program's."""
        self.kept.update(sys.modules)
        for name in ("__main__", "builtins", "sys"):
            self.kept.pop(name, None)
        gc.freeze()

    def line(self):
        """What is added to the program, past its end: the sign that it came there, so that its status
        is 0. The real python3 gives the main module this variable, and takes it away there."""
        return f"\n\n__cached__ = {self.mark!r}\n".encode()

    def leave(self):
        try:
            mark = vars(sys.modules["__main__"]).get("__cached__")
            whole = type(mark) is str and mark == self.mark
            if _thread._count() or not (self.exit or whole and self.all_is_python()) or not self.nothing_remains():
                return
            if whole:
                (self.exit or os._exit)(0)
            for name, module in self.kept.items():
                if sys.modules.get(name) is module:
                    del sys.modules[name]
        except BaseException:  # python3 has words for it
            pass

    def theirs(self):
        return sys.modules.keys() - self.kept.keys() - {"builtins", "sys"}

    def all_is_python(self):
        """No module in C, which may have written to streams of C's."""
        return not any(is_extension(sys.modules[name]) for name in self.theirs() - {"__main__"})

    def nothing_remains(self):
        """Do what python3 does, in its order, and say whether the rest is of no interest."""
        self.flush()
        if gc.isenabled():
            gc.collect()
        gc.callbacks.clear()
        for name in ("last_exc", "last_type", "last_value", "last_traceback"):
            vars(sys).pop(name, None)
        for name in self.theirs():
            sys.modules[name] = None
        gc.collect()
        if any(hasattr(type(thing), "__del__") for thing in gc.get_objects()):
            return False
        self.flush()
        return True

    def flush(self):
        for stream in (sys.stdout, sys.stderr) + self.streams:
            stream.flush()


def rehearse(end):
    """What comes with every program, for one that does nothing. A child of a template writes on memory that
    it shares, which the kernel copies page by page: so that is done before there is a program."""
    code = marshal.dumps(compile_main(b"print(end='')\n", end.line()))
    put("/dev/null", MAGIC_NUMBER + bytes(12) + code)  # nowhere that the program would see
    exec(marshal.loads(code), {"__name__": "__main__"})
    gc.collect()


def is_extension(module):
    return type(module.__spec__.loader).__name__ == "ExtensionFileLoader"


def compile_main(source, addition):
    """Compile main.py, or report why not as the interpreter does, and leave."""
    try:
        return compile(source + addition, SOURCE, "exec", dont_inherit=True)
    except Exception:
        pass
    import warnings

    warnings.simplefilter("ignore")  # those have been seen
    try:
        return compile(source, SOURCE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError) as error:
        if type(error) is ValueError:  # NUL bytes, before Python 3.12
            error = SyntaxError(*error.args)
        sys.__excepthook__(type(error), error.with_traceback(None), None)
        sys.stderr.flush()
        os._exit(1)


def new_main():
    """The main module of the program is its own. Of the first one the collector knows nothing any more."""
    old = sys.modules["__main__"]
    main = sys.modules["__main__"] = type(sys)("__main__")
    main.__dict__.update(old.__dict__)
    main.__dict__["__file__"] = os.path.join(os.getcwd(), SOURCE)
    main.__dict__["__cached__"] = None
    return main


def launch():
    for name in ("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONNOUSERSITE"):
        os.environ.pop(name, None)
    here = os.path.dirname(__file__)
    sys.path[:] = [os.getcwd()] + [entry for entry in sys.path if entry != here]
    sys.path_importer_cache.pop(here, None)
    sys.argv[:] = [SOURCE]
    sys.stdout.reconfigure(line_buffering=True)  # what was printed survives a kill
    _signal.signal(_signal.SIGXCPU, flush_and_exit)

    end = End()
    compile("", SOURCE, "exec")  # the compiler prepares itself when it is first called
    end.keep()

    report("R")
    if receive() == b"template":
        sys.path.insert(0, here)
        import sandboxd_template

        del sys.modules[sandboxd_template.__name__], sys.path[0]
        sys.path_importer_cache.pop(here, None)
        sandboxd_template.serve([name for name in receive().decode().split(",") if name], report, end)
        report("R")
        sandboxd_template.wait(CHANNEL, lambda: rehearse(end))
        receive()
    nulled = [name for name in receive().decode().split(",") if name]
    source = receive()
    put(SOURCE, source)
    report("S")
    os.close(CHANNEL)

    code = compile_main(source, end.line())
    put(COMPILED, MAGIC_NUMBER + bytes(12) + marshal.dumps(code))

    # The interpreter would find out by itself that its main program is no archive, with an import.
    sys.path_importer_cache[COMPILED] = None

    main = new_main()
    if nulled:
        restrict(main, nulled)


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
