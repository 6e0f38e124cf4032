# expect: held
# The program binds a socket to an interface, and marks a socket for another route.
# layers: seccomp
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
unreachable("SO_BINDTODEVICE", lambda: s.setsockopt(socket.SOL_SOCKET, 25, b"lo\0"))
refused("SO_MARK", lambda: s.setsockopt(socket.SOL_SOCKET, 36, 1))
