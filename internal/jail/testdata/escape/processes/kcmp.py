# expect: held
# What a process shares with one of the host tells where the kernel keeps it.
# layers: seccomp pid-ns
unreachable("kcmp", lambda: syscall("kcmp", os.getpid(), HOST_PID, 0, 0, 0), errno.ESRCH)
