# This code precedes every attack. The test puts constants with facts about the host before it (see escape_test.go). An attack prints
# "held: why" at least once, or "ESCAPED: what" for each success, and ends with exit status 0.
import ctypes, errno, hashlib, os, re, signal, socket, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

# Errors of a denied call: the filter returns EPERM or ENOSYS, the kernel EPERM or EACCES.
DENIED = (errno.EPERM, errno.EACCES, errno.ENOSYS)
# Paths of the host are tried unchanged and below HOST, where a test that weakens the mounts mounts the host's root.
HOST = "/host"


def held(why):
    print("held:", why, flush=True)


def escaped(what):
    print("ESCAPED:", what, flush=True)


def unclear(what):
    """Report that the attack could not be carried out. This fails the test too."""
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
    """Return whether data contains the host's secret. The jail only has a digest of it."""
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
    """Return the paths at which a path of the host is tried."""
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
    """Return a wait status as text."""
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit status {os.WEXITSTATUS(status)}"


def of_status(field, pid="self"):
    """Return a field of /proc/PID/status."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(field + ":"):
            return line.split(":", 1)[1].strip()


def unreachable(what, call, *also):
    """Expect a call to be denied before it reaches its target in the kernel. Any other result than DENIED, even another error, comes from the
    target."""
    value, number = attempt(call)
    if number in DENIED + also:
        held(f"{what}: {name_of(number)}")
    else:
        escaped(f"{what}: {name_of(number) if number else value}")


def absent(why):
    """Report that this kernel or host does not have the target of the attack."""
    print("absent:", why, flush=True)
