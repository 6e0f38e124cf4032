# expect: held
# The same as take_port_of_host for an abstract name.
# layers: net-ns
s = socket.socket(socket.AF_UNIX)
try:
    s.bind("\0" + ABSTRACT)
    held("the name is free")
except OSError as e:
    escaped(f"the name is taken by the host: {e}")
