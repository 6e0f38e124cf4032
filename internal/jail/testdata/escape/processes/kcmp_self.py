# expect: held
# The order of kernel addresses, by comparing its own objects.
# layers: seccomp
unreachable("kcmp", lambda: syscall("kcmp", os.getpid(), os.getpid(), 0, 0, 1))
