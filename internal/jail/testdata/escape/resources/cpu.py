# expect: held timeout
# Eleven processes compute all the time, and ignore SIGXCPU, the signal of RLIMIT_CPU.
# layers: cgroup daemon
# limits: wall=2s pids=20
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
for i in range(10):  # not more, so that without a limit the processes that end them still get processor time
    try:
        if os.fork() == 0: break
    except OSError: pass
while True: pass
