# expect: held
# The state of a connection rewritten: sequence numbers, queues.
# layers: seccomp ids
s = socket.socket()
refused("TCP_REPAIR", lambda: s.setsockopt(socket.IPPROTO_TCP, 19, 1))
