# expect: held
# The program takes a descriptor of the daemon, or of a process of the host.
# layers: seccomp pid-ns
for pid in (HOST_PID, DAEMON_PID):
    pidfd, number = syscall("pidfd_open", pid, 0)
    if number:
        held(f"pidfd_open: {name_of(number)}")
    else:
        refused("pidfd_getfd", lambda: syscall("pidfd_getfd", pidfd, 0, 0))
