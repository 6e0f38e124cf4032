# expect: held
# What is below a mount, by taking it away.
# layers: seccomp credentials landlock
MNT_DETACH = 2
for path in (b"/proc", b"/tmp", b"/dev/null", b"/usr"):
    refused(f"umount {path.decode()}", lambda: syscall("umount2", path, MNT_DETACH))
