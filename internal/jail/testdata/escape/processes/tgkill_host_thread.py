# expect: held
# The program sends a signal to a thread of the host.
# layers: pid-ns
refused("tgkill", lambda: syscall("tgkill", HOST_PID, HOST_PID, signal.SIGKILL), errno.ESRCH)
unreachable("tkill", lambda: syscall("tkill", HOST_PID, signal.SIGKILL), errno.ESRCH)
