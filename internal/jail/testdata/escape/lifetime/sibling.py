# expect: held timeout
# The program creates children of the init (CLONE_PARENT), which do not end with the program.
# layers: init
# limits: wall=1s
CLONE_PARENT = 0x8000
for i in range(3):
    pid, number = syscall("clone", CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        open("/tmp/acted", "w").close()
        while True: libc.pause()
open("/tmp/acted", "w").close()
time.sleep(60)
