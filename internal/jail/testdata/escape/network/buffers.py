# expect: held
# The program sets socket buffers larger than the host allows: with SO_SNDBUFFORCE and SO_RCVBUFFORCE, which need privilege, and with
# SO_SNDBUF and SO_RCVBUF, whose values the kernel bounds.
# layers: seccomp kernel
s = socket.socket()
for name, option in (("SO_SNDBUFFORCE", 32), ("SO_RCVBUFFORCE", 33)):
    unreachable(name, lambda: s.setsockopt(socket.SOL_SOCKET, option, 1 << 26))
for name, option, most in (("SO_SNDBUF", 7, WMEM_MAX), ("SO_RCVBUF", 8, RMEM_MAX)):  # the kernel bounds the value and doubles it (socket(7))
    s.setsockopt(socket.SOL_SOCKET, option, 1 << 30)
    got = s.getsockopt(socket.SOL_SOCKET, option)
    if got > 2 * most: escaped(f"{name} of {got}")
