# expect: held
# The program opens packet sockets, also with capabilities over a new network namespace (CVE-2017-7308, CVE-2020-14386).
# layers: seccomp user-ns
syscall("unshare", 0x50000000)
for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM, 10):
    refused(f"AF_PACKET {kind}", lambda: socket.socket(17, kind, 0x0300), errno.EPERM, errno.EAFNOSUPPORT)
