# expect: held
# The program sends signals to processes of the host, by their ids on the host.
# layers: pid-ns
for pid in (HOST_PID, DAEMON_PID):
    refused(f"kill {pid}", lambda: os.kill(pid, signal.SIGKILL), errno.ESRCH)
    refused(f"killpg {pid}", lambda: os.killpg(pid, signal.SIGKILL), errno.ESRCH)
