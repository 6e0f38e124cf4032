# expect: held
# The program sets socket buffers larger than the host allows (net.core.wmem_max), which needs privilege, and other socket options that take
# memory.
# layers: seccomp
s, _ = socket.socketpair()
for name, option in (("SO_SNDBUFFORCE", 32), ("SO_RCVBUFFORCE", 33), ("SO_RESERVE_MEM", 73), ("SO_ATTACH_FILTER", 26), ("SO_BUSY_POLL", 46)):
    refused(name, lambda: s.setsockopt(socket.SOL_SOCKET, option, 1 << 30))
tcp = socket.socket()
for name, option in (("TCP_REPAIR", 19), ("TCP_ULP", 31), ("TCP_CONGESTION", 13), ("TCP_FASTOPEN", 23)):
    refused(name, lambda: tcp.setsockopt(socket.IPPROTO_TCP, option, b"tls\0"))
