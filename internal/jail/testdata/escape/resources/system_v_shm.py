# expect: held
# Segments that outlive their process (kernel.shmmax is 2^64).
# layers: seccomp
refused("shmget", lambda: syscall("shmget", 0, 1 << 30, 0o1600))
