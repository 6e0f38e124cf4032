# expect: held timeout
# The program stops its children, its process group and itself. A stopped process reacts only to SIGKILL and SIGCONT.
# layers: daemon
# limits: wall=1s
for i in range(3):
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(60)
os.kill(0, signal.SIGSTOP)
os.kill(os.getpid(), signal.SIGTSTP)
time.sleep(60)
