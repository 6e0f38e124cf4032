# expect: held
# Process 1's parent is the daemon: by pidfd, group and thread flags.
# layers: pid-ns
for pid, flags in ((0, 0), (-1, 0), (os.getppid(), 0), (DAEMON_PID, os.O_EXCL)):
    unreachable(f"pidfd_open {pid}", lambda: syscall("pidfd_open", pid, flags), errno.EINVAL, errno.ESRCH)
