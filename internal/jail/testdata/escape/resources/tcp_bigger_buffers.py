# expect: held exit=0,oom
# The program fills TCP connections, each with buffers as large as the host allows (net.core.wmem_max and rmem_max). The buffers are memory
# of the cgroup, and the limit of descriptors bounds their number.
# layers: rlimits cgroup
# limits: memory=64MiB
server = socket.create_server(("127.0.0.1", 0), backlog=100)
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 30)
total, keep = 0, []
try:
    while len(keep) < 100000:
        a = socket.socket()
        keep.append(a)
        a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 30)
        a.connect(server.getsockname())
        keep.append(server.accept()[0])
        for s in keep[-2:]:
            s.setblocking(False)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
            try:
                while True: total += s.send(bytes(65536))
            except BlockingIOError: pass
except OSError as e:
    held(f"{name_of(e.errno)}: {total} bytes in {len(keep)} sockets")
if total > 256 * 2 * (WMEM_MAX + RMEM_MAX): escaped(f"{total} bytes in {len(keep)} sockets")
