# expect: held
# The program sends a datagram to an abstract Unix socket of the host. The test counts the datagrams that arrive.
# layers: net-ns
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
refused("sendto", lambda: s.sendto(b"x", "\0" + ABSTRACT_DATAGRAM), errno.ECONNREFUSED)
