# expect: held
# POSIX timers and timers by descriptor (CVE-2025-38352 in the timers of CPU time).
# layers: seccomp
timer = ctypes.c_int()
unreachable("timer_create", lambda: syscall("timer_create", 0, None, timer))
unreachable("timer_create of CPU time", lambda: syscall("timer_create", 2, None, timer))
unreachable("timerfd_create", lambda: syscall("timerfd_create", 1, 0))
