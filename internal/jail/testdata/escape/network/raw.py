# expect: held
# The program opens raw sockets of IPv4 and IPv6, also with capabilities over a new network namespace.
# layers: seccomp user-ns
syscall("unshare", 0x50000000)
for family in (socket.AF_INET, socket.AF_INET6):
    for protocol in (1, 6, 17, 58, 255):
        refused(f"raw {family} {protocol}", lambda: socket.socket(family, socket.SOCK_RAW, protocol), errno.EPERM)
