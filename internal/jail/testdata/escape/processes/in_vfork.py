# expect: held timeout
# A parent that waits in vfork for its child reacts only to SIGKILL.
# layers: daemon
# limits: wall=1s
CLONE_VFORK = 0x4000
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
pid, number = syscall("clone", CLONE_VFORK | signal.SIGCHLD, 0, 0, 0, 0)
while True:
    time.sleep(1000)
