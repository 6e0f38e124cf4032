# expect: held
# A datagram to another; the test counts what arrives.
# layers: net-ns
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
refused("sendto", lambda: s.sendto(b"x", "\0" + ABSTRACT_DATAGRAM), errno.ECONNREFUSED)
