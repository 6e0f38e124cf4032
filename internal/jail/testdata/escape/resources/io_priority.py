# expect: held
# Input and output before all others: of the levels of the usual class the kernel gives the best to anybody.
# layers: seccomp
REALTIME, BEST_EFFORT = 1 << 13, 2 << 13
for value in (REALTIME, REALTIME | 4, BEST_EFFORT, BEST_EFFORT | 3, BEST_EFFORT | 1 << 32):
    refused(f"ioprio_set {value:#x}", lambda: syscall("ioprio_set", 1, 0, value))
