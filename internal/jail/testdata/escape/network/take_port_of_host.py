# expect: held
# Listening in place of the host: its port is free in here, and nobody outside comes to it.
# layers: net-ns
s = socket.socket()
try:
    s.bind(("127.0.0.1", TCP_PORT))
    held("the port is free")
except OSError as e:
    escaped(f"the port is taken by the host: {e}")
