# expect: held
# kcmp with a process of the host reveals the order of kernel addresses.
# layers: seccomp pid-ns
unreachable("kcmp", lambda: syscall("kcmp", os.getpid(), HOST_PID, 0, 0, 0), errno.ESRCH)
