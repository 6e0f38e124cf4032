# expect: held
# The program sets the selection of the console by TIOCLINUX, which can then be pasted as input into a terminal (CVE-2023-28100). It also
# sets bits in the upper half of the register for the request.
# layers: seccomp
for request in (0x541c, 0x541c | 1 << 32, 0x541c | 1 << 63):
    unreachable(f"TIOCLINUX {request:#x}", lambda: syscall("ioctl", 0, request, b"\x02"))
