# The probe runs this program in a jail. It prints as JSON how the isolation looks from inside.
import json
import os
import resource
import socket

status = dict(
    (key, value.strip())
    for key, _, value in (line.partition(":") for line in open("/proc/self/status"))
)


def refused(call, *args):
    """Return the error message of a call, or "" if it succeeds."""
    try:
        call(*args)
    except OSError as error:
        return error.strerror
    return ""


def entries(directory):
    """Return the names in a directory. If it cannot be listed, return the error message in parentheses."""
    try:
        return sorted(os.listdir(directory))
    except OSError as error:
        return [f"({error.strerror})"]


print(json.dumps({
    "uid": os.getuid(),
    "capabilities": max(status[f"Cap{s}"] for s in ("Inh", "Prm", "Eff", "Bnd", "Amb")),
    "no_new_privs": status["NoNewPrivs"],
    "seccomp": status["Seccomp"],
    "cgroup": [line.strip() for line in open("/proc/self/cgroup") if line.startswith("0::")],
    "root": {path: entries(path) for path in (
        "/boot", "/dev", "/etc", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/sys", "/var") if os.path.exists(path)},
    "smaps": refused(open, "/proc/self/smaps"),  # only Landlock forbids it: the file is the program's own, and not in the plan
    "root_write": refused(os.mkdir, "/probe"),
    "connect": refused(lambda: socket.create_connection(("192.0.2.1", 9), timeout=1).close()),
    "nproc": resource.getrlimit(resource.RLIMIT_NPROC)[1],
}))
