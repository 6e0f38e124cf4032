# expect: held
# kcmp with its own objects reveals the order of kernel addresses.
# layers: seccomp
unreachable("kcmp", lambda: syscall("kcmp", os.getpid(), os.getpid(), 0, 0, 1))
