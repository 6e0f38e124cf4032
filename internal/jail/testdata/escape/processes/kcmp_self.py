# expect: held
# The program compares two of its own files (kcmp). The result would reveal the order of kernel addresses.
# layers: seccomp
unreachable("kcmp", lambda: syscall("kcmp", os.getpid(), os.getpid(), 0, 0, 1))
