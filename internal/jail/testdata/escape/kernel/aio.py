# expect: held
# The program creates a context of the older asynchronous I/O (CVE-2016-10044).
# layers: seccomp
context = ctypes.c_ulong()
unreachable("io_setup", lambda: syscall("io_setup", 1, context))
