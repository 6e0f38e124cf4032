# expect: held
# The program creates a userfaultfd, with which it could delay page faults and so stop the kernel during a copy.
# layers: seccomp
UFFD_USER_MODE_ONLY = 1
for flags in (0, UFFD_USER_MODE_ONLY):
    unreachable(f"userfaultfd {flags}", lambda: syscall("userfaultfd", flags))
