# expect: held
# The program switches on TCP_REPAIR, with which it could set the sequence numbers and queues of a connection.
# layers: seccomp ids
s = socket.socket()
refused("TCP_REPAIR", lambda: s.setsockopt(socket.IPPROTO_TCP, 19, 1))
