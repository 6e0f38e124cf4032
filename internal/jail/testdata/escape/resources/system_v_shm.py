# expect: held
# The program creates a shared memory segment of 1 GiB, which would remain after its process has ended. The kernel's default for
# kernel.shmmax does not limit the size.
# layers: seccomp
refused("shmget", lambda: syscall("shmget", 0, 1 << 30, 0o1600))
