# expect: held
# The program creates a child in a new user namespace by clone3. Its flags are in memory, where a filter cannot read them.
# layers: seccomp user-ns
arguments = struct.pack("11Q", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
pid, number = syscall("clone3", arguments, len(arguments))
if pid == 0:
    os._exit(0)
(held if number in (errno.ENOSYS, errno.EPERM, errno.ENOSPC) else escaped)(f"clone3(CLONE_NEWUSER): {name_of(number)}")
