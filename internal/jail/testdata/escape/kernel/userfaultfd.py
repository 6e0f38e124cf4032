# expect: held
# The program handles page faults with a delay, and so stops the kernel during a copy.
# layers: seccomp
UFFD_USER_MODE_ONLY = 1
for flags in (0, UFFD_USER_MODE_ONLY):
    unreachable(f"userfaultfd {flags}", lambda: syscall("userfaultfd", flags))
