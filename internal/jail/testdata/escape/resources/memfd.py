# expect: held
# Files in memory that no quota bounds and that belong to no process.
# layers: seccomp
refused("memfd_create", lambda: syscall("memfd_create", b"x", 0))
