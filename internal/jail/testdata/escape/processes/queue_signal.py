# expect: held
# The program sends signals to processes of the host with a forged sender, as if the kernel had sent them.
# layers: seccomp pid-ns
info = ctypes.create_string_buffer(struct.pack("iii", signal.SIGTERM, 0, 0x80), 128)
unreachable("rt_sigqueueinfo", lambda: syscall("rt_sigqueueinfo", HOST_PID, signal.SIGTERM, info), errno.ESRCH)
unreachable("rt_tgsigqueueinfo", lambda: syscall("rt_tgsigqueueinfo", DAEMON_PID, DAEMON_PID, signal.SIGTERM, info), errno.ESRCH)
