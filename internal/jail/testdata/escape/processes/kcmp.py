# expect: held
# The program compares one of its files with one of a process of the host (kcmp). The result would reveal the order of kernel addresses.
# layers: seccomp pid-ns
unreachable("kcmp", lambda: syscall("kcmp", os.getpid(), HOST_PID, 0, 0, 0), errno.ESRCH)
