# expect: held
# The program makes calls that return information about a process of the host and need no permission.
# layers: pid-ns
mask = ctypes.create_string_buffer(128)
for pid in (HOST_PID, DAEMON_PID):
    for name, arguments in (("getpgid", ()), ("getsid", ()), ("sched_getaffinity", (128, mask)), ("sched_getscheduler", ()), ("prlimit64", (7, None, mask))):
        unreachable(f"{name} {pid}", lambda: syscall(name, pid, *arguments), errno.ESRCH)
