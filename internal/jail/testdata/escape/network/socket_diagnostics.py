# expect: held
# The host's Unix sockets by netlink's socket diagnostics.
# layers: seccomp net-ns
try:
    s = socket.socket(16, socket.SOCK_RAW, 4)  # NETLINK_SOCK_DIAG
    s.settimeout(5)
    request = struct.pack("BBHIIIII", socket.AF_UNIX, 0, 0, 0xffffffff, 0, 1, 0, 0)
    s.send(struct.pack("IHHII", 16 + len(request), 20, 0x301, 1, 0) + request)
    data = b""
    while True:
        part = s.recv(1 << 16)
        data += part
        if struct.unpack_from("IH", part)[1] in (2, 3):  # error, done
            break
        if any(struct.unpack_from("IH", part, o)[1] == 3 for o in range(0, len(part) - 16, 4)):
            break
    (escaped if ABSTRACT.encode() in data else held)("the host's abstract name is not shown")
except OSError as e:
    held(f"netlink: {e}")
