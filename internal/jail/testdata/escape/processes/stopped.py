# expect: held timeout
# The program has stopped children, which were stopped by themselves and by their own children. Stopped processes react to no signal but
# SIGKILL and SIGCONT.
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
