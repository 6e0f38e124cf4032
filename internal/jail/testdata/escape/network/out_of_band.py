# expect: held
# The program sends urgent data over Unix sockets (CVE-2025-38236, an escape from the sandbox of a browser's renderer).
# layers: seccomp
a, b = socket.socketpair()
b.setblocking(False)
unreachable("send MSG_OOB", lambda: a.send(b"x", socket.MSG_OOB))
unreachable("recv MSG_OOB", lambda: b.recv(1, socket.MSG_OOB))
unreachable("sendmsg MSG_OOB", lambda: a.sendmsg([b"x"], [], socket.MSG_OOB))
