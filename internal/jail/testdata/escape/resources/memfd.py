# expect: held
# The program creates a file in memory, which no quota limits and which belongs to no process.
# layers: seccomp
refused("memfd_create", lambda: syscall("memfd_create", b"x", 0))
