# expect: held timeout
# All the time that there is, on all processors, deaf to the signal of the limit.
# layers: cgroup daemon
# limits: wall=2s pids=20
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
for i in range(10): # and no more, that they cannot starve those who are to end them where no limit holds
    try:
        if os.fork() == 0: break
    except OSError: pass
while True: pass
