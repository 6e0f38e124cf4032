# expect: held
# The program sends the credentials of other processes and users, among them root, in messages over a Unix socket.
# layers: ids
a, b = socket.socketpair()
for pid, uid, gid in ((1, 0, 0), (HOST_PID, 1000, 1000), (1, 1000, 0), (1, 65534, 1000)):
    data = struct.pack("iII", pid, uid, gid)
    refused(f"SCM_CREDENTIALS {pid} {uid} {gid}", lambda: a.sendmsg([b"x"], [(socket.SOL_SOCKET, 2, data)]), errno.EPERM, errno.EINVAL, errno.ESRCH)
