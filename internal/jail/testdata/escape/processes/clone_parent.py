# expect: held
# The program creates a child of its own parent by CLONE_PARENT. The parent is the init of the jail, never the daemon.
# layers: pid-ns
CLONE_PARENT = 0x8000
read, write = os.pipe()
pid, number = syscall("clone", CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
if pid == 0:
    os.write(write, str(syscall("getppid")[0]).encode())
    os._exit(0)
os.close(write)
parent = os.read(read, 16).decode()
(held if pid < 0 or parent == "1" else escaped)(f"clone(CLONE_PARENT): {pid} {name_of(number)}, child of {parent!r}")
