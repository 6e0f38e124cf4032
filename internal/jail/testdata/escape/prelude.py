# What every attack begins with, below the facts about the host that the test writes above (see
# hostFacts in escape_test.go). An attack prints at least one "held: why", "ESCAPED: what" for
# whatever it got through, and ends with exit status 0.
import ctypes, errno, hashlib, os, re, signal, socket, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

# How a layer says no: EPERM and ENOSYS are the filter's words, EPERM and EACCES the kernel's.
DENIED = (errno.EPERM, errno.EACCES, errno.ENOSYS)
# Where host paths are tried: as they are, and below HOST, where a test that weakens the mounts
# attaches the host's root.
HOST = "/host"


def held(why):
    print("held:", why, flush=True)


def escaped(what):
    print("ESCAPED:", what, flush=True)


def unclear(what):
    """Neither: the attack did not come to its point. It fails the test too."""
    print("UNCLEAR:", what, flush=True)


def name_of(number):
    return errno.errorcode.get(number, str(number))


def syscall(call, *args):
    """Make a system call, by its name or number. Returns (result, errno), errno 0 for success.

    Integers are passed 64 bits wide, bytes and ctypes objects by their address."""
    number = NR[call] if isinstance(call, str) else call
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(
        ctypes.c_long(a if a < 1 << 63 else a - (1 << 64)) if isinstance(a, int) else
        ctypes.byref(a) if isinstance(a, (ctypes.Structure, ctypes.Union, ctypes._SimpleCData)) else a
        for a in args))
    return result, ctypes.get_errno() if result == -1 else 0


def attempt(call):
    """Call a function that raises OSError or returns what syscall() returns. Returns (value, errno)."""
    try:
        value = call()
    except OSError as e:
        return None, e.errno
    if isinstance(value, tuple) and len(value) == 2:
        return value
    return value, 0


def refused(what, call, *errnos):
    """Expect a call (see attempt) to fail with one of errnos, by default with one of DENIED."""
    value, number = attempt(call)
    if number == 0:
        escaped(f"{what}: {value}")
    elif number in (errnos or DENIED):
        held(f"{what}: {name_of(number)}")
    else:
        unclear(f"{what}: {name_of(number)}")
    return number


def leaks(data):
    """Whether data holds the host's secret, which is known here by its digest only."""
    found = re.findall(rb"sandboxd-" rb"secret-[0-9a-f]{32}", bytes(data))
    return any(hashlib.sha256(f).hexdigest() == SECRET_DIGEST for f in found)


def steal(what, *paths):
    """Try to read the host's secret at each path."""
    tried = []
    for path in paths:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                if leaks(os.read(fd, 1 << 16)):
                    escaped(f"{what}: read {path}")
                    return
                tried.append("other content")
            finally:
                os.close(fd)
        except OSError as e:
            tried.append(name_of(e.errno))
    held(f"{what}: {' '.join(tried)}")


def hosts(path):
    """The ways by which a path of the host is tried."""
    return path, HOST + path


def child(function):
    """Run a function in a child. Returns its wait status."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            function()
            status = 0
        except BaseException as e:
            unclear(f"the child raised {e!r}")
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1]


def status_of(status):
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit status {os.WEXITSTATUS(status)}"


def of_status(field, pid="self"):
    """A line of /proc/PID/status."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(field + ":"):
            return line.split(":", 1)[1].strip()


def unreachable(what, call, *also):
    """Expect a call to be refused before it gets to the part of the kernel that is its target: any
    answer but DENIED, also of failure, comes from there."""
    value, number = attempt(call)
    if number in DENIED + also:
        held(f"{what}: {name_of(number)}")
    else:
        escaped(f"{what}: {name_of(number) if number else value}")


def absent(why):
    """This kernel or host has not what the attack is about, layers or none."""
    print("absent:", why, flush=True)
