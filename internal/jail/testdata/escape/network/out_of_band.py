# expect: held
# Urgent data of Unix sockets (CVE-2025-38236: from a renderer's sandbox to the kernel).
# layers: seccomp
a, b = socket.socketpair()
b.setblocking(False)
unreachable("send MSG_OOB", lambda: a.send(b"x", socket.MSG_OOB))
unreachable("recv MSG_OOB", lambda: b.recv(1, socket.MSG_OOB))
unreachable("sendmsg MSG_OOB", lambda: a.sendmsg([b"x"], [], socket.MSG_OOB))
