# expect: held
# kill(-1, SIGKILL), by process 1 and by a child: everybody whom the sender may signal.
# layers: pid-ns
refused("kill -1 by process 1", lambda: os.kill(-1, signal.SIGKILL), errno.ESRCH)
status = child(lambda: attempt(lambda: os.kill(-1, signal.SIGKILL)))
held(f"kill -1 by a child: {status_of(status)}")
