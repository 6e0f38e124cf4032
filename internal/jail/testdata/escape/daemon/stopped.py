# expect: held timeout
# It stops itself, its children, its group: a stopped process takes no signal but one.
# layers: daemon
# limits: wall=1s
for i in range(3):
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(60)
os.kill(0, signal.SIGSTOP)
os.kill(os.getpid(), signal.SIGTSTP)
time.sleep(60)
