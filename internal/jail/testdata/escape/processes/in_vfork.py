# expect: held timeout
# The program waits in vfork for a child that never ends. During the wait it reacts only to SIGKILL.
# layers: daemon
# limits: wall=1s
CLONE_VFORK = 0x4000
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
pid, number = syscall("clone", CLONE_VFORK | signal.SIGCHLD, 0, 0, 0, 0)
while True:
    time.sleep(1000)
