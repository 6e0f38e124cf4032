# expect: held
# The program sets namespace flags and bits in the upper half of the register. A filter that compares 64 bits does not recognize the flags.
# layers: seccomp user-ns
for high in (1 << 32, 1 << 63, 0xffffffff << 32):
    pid, number = syscall("clone", high | 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    (held if number in (errno.EPERM, errno.ENOSPC, errno.ENOSYS, errno.EINVAL) else escaped)(f"clone: {name_of(number)}")
    refused("unshare", lambda: syscall("unshare", high | 0x10000000), errno.EPERM, errno.ENOSPC, errno.EINVAL)
