# expect: held
# The program creates a user namespace together with one of each other kind, which needs no capability.
# layers: seccomp user-ns
for name, flag in (("NEWTIME", 0x80), ("NEWNS", 0x20000), ("NEWCGROUP", 0x2000000), ("NEWUTS", 0x4000000), ("NEWIPC", 0x8000000),
                   ("NEWPID", 0x20000000), ("NEWNET", 0x40000000)):
    def both():
        refused(f"unshare(CLONE_NEWUSER|CLONE_{name})", lambda: syscall("unshare", 0x10000000 | flag), errno.EPERM, errno.ENOSPC)
    child(both)
