# expect: held
# Signals to processes of the host, by the ids that they have there.
# layers: pid-ns
for pid in (HOST_PID, DAEMON_PID):
    refused(f"kill {pid}", lambda: os.kill(pid, signal.SIGKILL), errno.ESRCH)
    refused(f"killpg {pid}", lambda: os.killpg(pid, signal.SIGKILL), errno.ESRCH)
