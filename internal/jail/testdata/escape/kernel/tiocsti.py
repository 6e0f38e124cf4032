# expect: held
# Typing into the terminal of whoever started it (CVE-2017-5226), the request's upper half set too (CVE-2019-10063).
# layers: seccomp
for fd in (0, 1, 2):
    for request in (0x5412, 0x5412 | 1 << 32, 0x5412 | 0xffffffff << 32):
        unreachable(f"TIOCSTI {request:#x} on {fd}", lambda: syscall("ioctl", fd, request, b"x"))
