# expect: held
# The program types input into the terminal from which the daemon was started (TIOCSTI, CVE-2017-5226). It also sets bits in the upper half
# of the register for the request (CVE-2019-10063).
# layers: seccomp
for fd in (0, 1, 2):
    for request in (0x5412, 0x5412 | 1 << 32, 0x5412 | 0xffffffff << 32):
        unreachable(f"TIOCSTI {request:#x} on {fd}", lambda: syscall("ioctl", fd, request, b"x"))
