# expect: held
# A child of the daemon, by CLONE_PARENT of process 1.
# layers: pid-ns
CLONE_PARENT = 0x8000
pid, number = syscall("clone", CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
if pid == 0:
    os._exit(0)
(held if number == errno.EINVAL else escaped)(f"clone(CLONE_PARENT): {pid} {name_of(number)}")
