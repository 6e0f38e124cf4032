# expect: held
# The program opens pidfds of the daemon and of a process of the host, and takes a descriptor from them.
# layers: seccomp pid-ns
for pid in (HOST_PID, DAEMON_PID):
    pidfd, number = syscall("pidfd_open", pid, 0)
    if number:
        held(f"pidfd_open: {name_of(number)}")
    else:
        refused("pidfd_getfd", lambda: syscall("pidfd_getfd", pidfd, 0, 0))
