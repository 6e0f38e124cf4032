# expect: held
# The program changes the limits of a process of the host.
# layers: pid-ns
limit = struct.pack("QQ", 1, 1)
for pid in (HOST_PID, DAEMON_PID):
    refused(f"prlimit {pid}", lambda: syscall("prlimit64", pid, 1, limit, None), errno.ESRCH)
