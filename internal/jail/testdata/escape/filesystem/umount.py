# expect: held
# The program unmounts mounts of the jail, to see what is below them.
# layers: seccomp credentials landlock
MNT_DETACH = 2
for path in (b"/proc", b"/tmp", b"/dev/null", b"/usr"):
    refused(f"umount {path.decode()}", lambda: syscall("umount2", path, MNT_DETACH))
