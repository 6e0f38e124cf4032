# expect: held
# The program uses the older asynchronous I/O (CVE-2016-10044, related to CVE-2023-46862).
# layers: seccomp
context = ctypes.c_ulong()
unreachable("io_setup", lambda: syscall("io_setup", 1, context))
