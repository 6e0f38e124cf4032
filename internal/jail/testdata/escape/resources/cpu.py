# expect: held timeout
# All the time that there is, on all processors, deaf to the signal of the limit.
# layers: cgroup daemon
# limits: wall=2s pids=20
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
for i in range(10):
    try: os.fork()
    except OSError: pass
while True: pass
