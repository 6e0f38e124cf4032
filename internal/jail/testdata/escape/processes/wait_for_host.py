# expect: held
# Waiting for a process of the host: its end, and what it ended with.
# layers: pid-ns
for pid in (HOST_PID, DAEMON_PID, -DAEMON_PID):
    refused(f"wait4 {pid}", lambda: os.waitpid(pid, os.WNOHANG), errno.ECHILD)
