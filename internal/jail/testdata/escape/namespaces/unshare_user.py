# expect: held
# The program creates a user namespace by unshare. It would have every capability over objects that belong to this namespace.
# layers: seccomp user-ns
refused("unshare(CLONE_NEWUSER)", lambda: syscall("unshare", 0x10000000), errno.EPERM, errno.ENOSPC)
