# expect: held
# The program lists the host's Unix sockets by netlink's socket diagnostics.
# layers: seccomp net-ns
try:
    s = socket.socket(16, socket.SOCK_RAW, 4)  # NETLINK_SOCK_DIAG
    s.settimeout(5)
    request = struct.pack("BBHIIIII", socket.AF_UNIX, 0, 0, 0xffffffff, 0, 1, 0, 0)
    s.send(struct.pack("IHHII", 16 + len(request), 20, 0x301, 1, 0) + request)
    data, ended = b"", False
    while not ended:
        part = s.recv(1 << 16)
        data += part
        at = 0
        while at + 16 <= len(part) and not ended:  # struct nlmsghdr: length, type
            length, kind = struct.unpack_from("IH", part, at)
            ended = kind in (2, 3) or length < 16  # NLMSG_ERROR, NLMSG_DONE
            at += length + 3 & ~3
    (escaped if ABSTRACT.encode() in data else held)("the host's abstract name is not shown")
except OSError as e:
    held(f"netlink: {e}")
