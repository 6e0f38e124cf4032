# expect: held
# The program creates a namespace of each kind except user, by unshare.
# layers: seccomp credentials
for name, flag in (("NEWTIME", 0x80), ("NEWNS", 0x20000), ("NEWCGROUP", 0x2000000), ("NEWUTS", 0x4000000), ("NEWIPC", 0x8000000),
                   ("NEWPID", 0x20000000), ("NEWNET", 0x40000000)):
    refused(f"unshare(CLONE_{name})", lambda: syscall("unshare", flag))
