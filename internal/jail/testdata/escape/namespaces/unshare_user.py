# expect: held
# A user namespace by unshare: every capability again, over what is made in it.
# layers: seccomp user-ns
refused("unshare(CLONE_NEWUSER)", lambda: syscall("unshare", 0x10000000), errno.EPERM, errno.ENOSPC)
