# expect: held timeout
# Stopped children, stopped parents: nobody answers a signal but the one that needs no answer.
# layers: daemon
# limits: wall=1s
for _ in range(10):
    if os.fork() == 0:
        if os.fork() == 0:
            os.kill(os.getppid(), signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
while True:
    time.sleep(1000)
