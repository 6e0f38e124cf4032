# expect: held
# The program creates POSIX timers, also of CPU time (CVE-2025-38352). timerfd_create accepts only some clocks, none of them of CPU time, so
# it need not be denied.
# layers: seccomp
timer = ctypes.c_int()
for clock in (0, 1, 2, 3, 7, -6):
    unreachable(f"timer_create {clock}", lambda: syscall("timer_create", clock, None, timer))
for clock in (2, 3, 8, 9, -6):  # the kernel itself refuses these
    refused(f"timerfd_create {clock}", lambda: syscall("timerfd_create", clock, 0), errno.EINVAL, errno.EPERM)
