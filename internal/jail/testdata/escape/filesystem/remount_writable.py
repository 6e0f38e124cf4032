# expect: held
# The program remounts the read-only root as writable, and creates a file in it.
# layers: seccomp credentials landlock
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
for flags in (MS_REMOUNT, MS_REMOUNT | MS_BIND):
    attempt(lambda: syscall("mount", b"none", b"/", None, flags, None))
refused("write to /", lambda: os.open("/written", os.O_CREAT | os.O_WRONLY), errno.EROFS)
