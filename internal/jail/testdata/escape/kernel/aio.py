# expect: held
# The older asynchronous I/O (CVE-2016-10044, CVE-2023-46862's kin).
# layers: seccomp
context = ctypes.c_ulong()
unreachable("io_setup", lambda: syscall("io_setup", 1, context))
