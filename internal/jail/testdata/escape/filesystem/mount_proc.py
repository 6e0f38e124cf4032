# expect: held
# The program mounts another /proc, which would have the files that subset=pid hides.
# layers: seccomp credentials landlock
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
os.mkdir("/tmp/proc")
attempt(lambda: syscall("mount", b"proc", b"/tmp/proc", b"proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, None))
refused("/proc/sys of a new /proc", lambda: os.stat("/tmp/proc/sys/kernel"), errno.ENOENT)
