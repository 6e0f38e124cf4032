# expect: held
# The program binds a socket to a port of the host. The port must be free in the jail, so that no client outside reaches this socket.
# layers: net-ns
s = socket.socket()
try:
    s.bind(("127.0.0.1", TCP_PORT))
    held("the port is free")
except OSError as e:
    escaped(f"the port is taken by the host: {e}")
