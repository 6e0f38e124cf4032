# expect: held signal=SIGKILL
# The program, and a child, send SIGKILL to every process that they may signal (kill(-1, SIGKILL)).
# layers: pid-ns
refused("kill -1 by the program", lambda: os.kill(-1, signal.SIGKILL), errno.ESRCH)
child(lambda: attempt(lambda: os.kill(-1, signal.SIGKILL)))  # which reaches its parent
escaped("the program survives kill -1 by a child")
