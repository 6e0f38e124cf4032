# expect: held
# The program changes the state of a connection: sequence numbers, queues.
# layers: seccomp ids
s = socket.socket()
refused("TCP_REPAIR", lambda: s.setsockopt(socket.IPPROTO_TCP, 19, 1))
