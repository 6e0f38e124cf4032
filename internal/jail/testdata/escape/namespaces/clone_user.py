# expect: held
# The program creates a child in a new user namespace.
# layers: seccomp user-ns
pid, number = syscall("clone", 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
if pid == 0:
    os._exit(0)
(held if number in (errno.EPERM, errno.ENOSPC) else escaped)(f"clone(CLONE_NEWUSER): {name_of(number)}")
