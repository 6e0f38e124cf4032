# expect: held
# The program binds a socket to an abstract name that a socket of the host has. The name must be free in the jail, so that no client outside
# reaches this socket.
# layers: net-ns
s = socket.socket(socket.AF_UNIX)
try:
    s.bind("\0" + ABSTRACT)
    held("the name is free")
except OSError as e:
    escaped(f"the name is taken by the host: {e}")
