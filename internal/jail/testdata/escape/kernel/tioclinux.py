# expect: held
# The same as tiocsti by the console's clipboard (CVE-2023-28100), also with the upper half of the request set.
# layers: seccomp
for request in (0x541c, 0x541c | 1 << 32, 0x541c | 1 << 63):
    unreachable(f"TIOCLINUX {request:#x}", lambda: syscall("ioctl", 0, request, b"\x02"))
