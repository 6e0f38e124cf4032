# expect: held
# The program leaves a daemon process that blocks all signals, and ends at once. The daemon process must end with it.
# layers: init pid-ns
# limits: wall=20s
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        while True: time.sleep(1)
    os._exit(0)
os.wait()
held("a daemon is left to itself")
