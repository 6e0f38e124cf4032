# expect: held
# Files in memory that no quota of a file system bounds and no process shows.
# layers: seccomp
refused("memfd_create", lambda: syscall("memfd_create", b"x", 0))
