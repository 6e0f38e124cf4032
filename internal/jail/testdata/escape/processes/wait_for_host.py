# expect: held
# The program waits for a process of the host, to get its exit status.
# layers: pid-ns
for pid in (HOST_PID, DAEMON_PID, -DAEMON_PID):
    refused(f"wait4 {pid}", lambda: os.waitpid(pid, os.WNOHANG), errno.ECHILD)
