# expect: held
# The program listens on a port of the host. The port is free in the jail, and no client outside reaches it.
# layers: net-ns
s = socket.socket()
try:
    s.bind(("127.0.0.1", TCP_PORT))
    held("the port is free")
except OSError as e:
    escaped(f"the port is taken by the host: {e}")
