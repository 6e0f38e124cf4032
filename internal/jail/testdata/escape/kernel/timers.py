# expect: held
# POSIX timers, those of CPU time among them (CVE-2025-38352). A timer by descriptor has the clocks of the wall and of the
# monotonic time alone: no CPU time, and none that wakes the machine.
# layers: seccomp
timer = ctypes.c_int()
for clock in (0, 1, 2, 3, 7, -6):
    unreachable(f"timer_create {clock}", lambda: syscall("timer_create", clock, None, timer))
for clock in (2, 3, 8, 9, -6):  # the kernel's own answer
    refused(f"timerfd_create {clock}", lambda: syscall("timerfd_create", clock, 0), errno.EINVAL, errno.EPERM)
