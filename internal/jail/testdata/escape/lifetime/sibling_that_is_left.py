# expect: held
# The program creates siblings of itself (CLONE_PARENT), one of which exits with status 9, and then ends. The init must not take the end of
# a sibling for that of the program.
# layers: init
# limits: wall=20s
CLONE_PARENT = 0x8000
for i in range(3):
    pid, number = syscall("clone", CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        if i == 0: libc._exit(9)
        while True: libc.pause()
time.sleep(0.3)
held("siblings are left to themselves")
