# expect: held
# The program changes the root to a tmpfs in a mount namespace of its own, with the old root below it.
# layers: seccomp landlock
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
syscall("unshare", CLONE_NEWUSER | CLONE_NEWNS)
attempt(lambda: syscall("mount", b"tmpfs", b"/tmp", b"tmpfs", 0, None))
os.chdir("/tmp")
refused("pivot_root", lambda: syscall("pivot_root", b".", b"."))
