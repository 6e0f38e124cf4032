# expect: held
# The program enters its own namespaces again, by a pidfd of itself.
# layers: seccomp credentials
pidfd, number = syscall("pidfd_open", os.getpid(), 0)
if number:
    held(f"pidfd_open: {name_of(number)}")
for flag in (0x4000000, 0x8000000, 0x40000000):
    refused(f"setns {flag:#x}", lambda: syscall("setns", pidfd, flag), *DENIED, *([errno.EBADF] if number else []))
