# expect: held timeout
# The program has twenty children, each in its own session and ignoring every signal, when the timeout ends the run.
# layers: daemon
# limits: wall=1s
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        for s in range(1, 65):
            try:
                signal.signal(s, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True:
            time.sleep(1000)
for s in (signal.SIGTERM, signal.SIGINT, signal.SIGXCPU, signal.SIGHUP):
    signal.signal(s, signal.SIG_IGN)
while True:
    time.sleep(1000)
