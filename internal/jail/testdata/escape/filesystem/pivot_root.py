# expect: held
# The program creates a user and a mount namespace, mounts a tmpfs there, and makes it its root by pivot_root, which stacks the old root on
# the same directory.
# layers: seccomp landlock
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
syscall("unshare", CLONE_NEWUSER | CLONE_NEWNS)
attempt(lambda: syscall("mount", b"tmpfs", b"/tmp", b"tmpfs", 0, None))
os.chdir("/tmp")
refused("pivot_root", lambda: syscall("pivot_root", b".", b"."))
