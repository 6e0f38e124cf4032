# This code precedes the acts of every generated program. It defines the names that the acts use.
import ctypes, os, signal, sys, threading, time, traceback
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
PID, CHILD, FD = os.getpid(), 2, os.open("/tmp", os.O_RDONLY)
open("/tmp/file", "wb").write(bytes(range(256)) * 64)
BUFFERS = [ctypes.create_string_buffer(b, 8192) for b in (
    b"", b"\xff" * 8000, b"/tmp/file", b"/proc/self/mem", b"/", b"/dev/null", b"..", b"tmpfs", bytes(range(256)) * 16,
    b"\x01" + bytes(7) + b"\x02" * 64, b"/tmp/new", b"\x10\0\0\0" * 512, b"/usr/bin/python3", b"user.x", b"\x02\0\0\x50\x7f\0\0\1", b"#!/bin/sh\nexit\n")]
for i, b in enumerate(BUFFERS[8:10]):  # pointers to pointers
    ctypes.c_uint64.from_buffer(b, 512).value = ctypes.addressof(BUFFERS[i])


def at(i, offset=0):
    """Return an address in a buffer."""
    return ctypes.addressof(BUFFERS[i]) + offset


def long(n):
    """Return the lowest 64 bits of a number, as a long of C."""
    return ctypes.c_long(n & (1 << 64) - 1)


def call(nr, *arguments):
    """Make a system call by its number."""
    try:
        return libc.syscall(long(nr), *map(long, arguments))
    except Stuck:
        return -1


def function(name, *arguments):
    """Call a function of libc by its name."""
    try:
        return getattr(libc, name)(*map(long, arguments))
    except (AttributeError, Stuck):
        return -1


class Stuck(Exception):
    """The timer of impatient interrupted a call."""


def stuck(*_):
    raise Stuck


def impatient():
    """Interrupt calls that block, every 0.2 seconds."""
    signal.signal(signal.SIGALRM, stuck)
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)


def until_refused(do, most=100000):
    """Repeat a call until it fails, and keep the results, so that their resources stay in use."""
    kept = []
    try:
        for _ in range(most):
            kept.append(do())
    except (OSError, MemoryError, RuntimeError, ValueError) as e:
        print(type(e).__name__, len(kept))
    return kept


def attempt(do):
    """Make a call. Returns None if it fails."""
    try:
        return do()
    except (OSError, ValueError, OverflowError, MemoryError, RuntimeError, Stuck):
        return None


def act(name, how):
    """Return a decorator that calls a function at once, in the place that how names (act in acts.go)."""
    def done(f):
        try:
            f()
        except Exception:
            traceback.print_exc()

    def go(f):
        try:
            print(name, how)
            if how == "thread":
                threading.Thread(target=done, args=(f,), daemon=True).start()
            elif how in ("child", "orphan") and not (child := os.fork()):
                if how == "orphan":
                    attempt(os.setsid)
                    if os.fork():
                        os._exit(0)
                impatient()
                done(f)
                os._exit(0)
            elif how == "child":
                os.waitpid(child, 0)
            elif how == "inline":
                done(f)
        except Exception:
            traceback.print_exc()

    return go
