# expect: held
# The program unmounts a mount to see the files below it.
# layers: seccomp credentials landlock
MNT_DETACH = 2
for path in (b"/proc", b"/tmp", b"/dev/null", b"/usr"):
    refused(f"umount {path.decode()}", lambda: syscall("umount2", path, MNT_DETACH))
