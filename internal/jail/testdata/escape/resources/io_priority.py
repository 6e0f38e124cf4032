# expect: held
# The program sets I/O priorities: real-time, and levels of the best-effort class, which need no privilege.
# layers: seccomp
REALTIME, BEST_EFFORT = 1 << 13, 2 << 13
for value in (REALTIME, REALTIME | 4, BEST_EFFORT, BEST_EFFORT | 3, BEST_EFFORT | 1 << 32):
    refused(f"ioprio_set {value:#x}", lambda: syscall("ioprio_set", 1, 0, value))
