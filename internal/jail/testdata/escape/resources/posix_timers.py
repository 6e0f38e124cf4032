# expect: held
# The program creates POSIX timers. Each timer has a queued signal, which is counted but slow to remove (CVE-2025-38352).
# layers: seccomp
made = ctypes.c_int()
for clock in (0, 1, 2, 7):
    refused(f"timer_create on clock {clock}", lambda: syscall("timer_create", clock, 0, made))
