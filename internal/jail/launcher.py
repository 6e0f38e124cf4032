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
import marshal
import os
import sys
from _frozen_importlib_external import MAGIC_NUMBER

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
    with open(CHANNEL, "rb", buffering=0, closefd=False) as channel:
        def exactly(size):
            data = bytearray()
            while len(data) < size:
                chunk = channel.read(size - len(data))
                if not chunk:
                    os._exit(1)
                data += chunk
            return bytes(data)

        return exactly(int.from_bytes(exactly(4), sys.byteorder))


def compile_main(source):
    """Compile main.py, or report why not as the interpreter does, and leave."""
    try:
        return compile(source, SOURCE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError) as error:
        if type(error) is ValueError:  # NUL bytes, before Python 3.12
            error = SyntaxError(*error.args)
        sys.__excepthook__(type(error), error.with_traceback(None), None)
        sys.stderr.flush()
        os._exit(1)


def launch():
    for name in ("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONNOUSERSITE"):
        os.environ.pop(name, None)
    here = os.path.dirname(__file__)
    sys.path[:] = [os.getcwd()] + [entry for entry in sys.path if entry != here]
    sys.path_importer_cache.pop(here, None)
    sys.argv[:] = [SOURCE]
    sys.stdout.reconfigure(line_buffering=True)  # what was printed survives a kill
    _signal.signal(_signal.SIGXCPU, flush_and_exit)

    report("R")
    if receive() == b"template":
        sys.path.insert(0, here)
        import sandboxd_template

        del sys.modules[sandboxd_template.__name__], sys.path[0]
        sys.path_importer_cache.pop(here, None)
        sandboxd_template.serve([name for name in receive().decode().split(",") if name], report)
        report("R")
        receive()
    nulled = [name for name in receive().decode().split(",") if name]
    source = receive()
    with open(SOURCE, "wb") as file:
        file.write(source)
    report("S")
    os.close(CHANNEL)

    code = compile_main(source)
    with open(COMPILED, "wb") as file:
        file.write(MAGIC_NUMBER + bytes(12))
        marshal.dump(code, file)

    # The interpreter would find out by itself that its main program is no archive, with an import.
    sys.path_importer_cache[COMPILED] = None

    main = sys.modules["__main__"]
    main.__dict__["__file__"] = os.path.join(os.getcwd(), SOURCE)
    if nulled:
        restrict(main, nulled)


try:
    launch()
except Exception as error:  # no space for the program: not a thing to go on after
    os.write(2, f"{type(error).__name__}: {error}\n".encode())
    os._exit(1)
