# expect: held
# More of the kernel's memory than a socket has: SO_SNDBUF and SO_RCVBUF, by force too.
# layers: seccomp
s = socket.socket()
for option in (7, 8, 32, 33):
    unreachable(f"option {option}", lambda: s.setsockopt(socket.SOL_SOCKET, option, 1 << 26))
