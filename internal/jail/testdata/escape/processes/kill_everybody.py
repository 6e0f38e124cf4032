# expect: held signal=SIGKILL
# kill(-1, SIGKILL), by the program and by a child, to every process that the sender may signal.
# layers: pid-ns
refused("kill -1 by the program", lambda: os.kill(-1, signal.SIGKILL), errno.ESRCH)
child(lambda: attempt(lambda: os.kill(-1, signal.SIGKILL)))  # which reaches its parent
escaped("the program survives kill -1 by a child")
