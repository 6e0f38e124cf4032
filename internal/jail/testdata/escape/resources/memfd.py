# expect: held
# The program creates files in memory, which no quota limits and which belong to no process.
# layers: seccomp
refused("memfd_create", lambda: syscall("memfd_create", b"x", 0))
