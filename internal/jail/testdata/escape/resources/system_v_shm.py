# expect: held
# The program creates shared memory segments, which remain after their process has ended (kernel.shmmax is 2^64).
# layers: seccomp
refused("shmget", lambda: syscall("shmget", 0, 1 << 30, 0o1600))
