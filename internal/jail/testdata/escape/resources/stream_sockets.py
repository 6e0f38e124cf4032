# expect: held exit=0,oom
# The program fills the buffers of local stream sockets, which it sets to the maximum size. The limit of descriptors bounds their number.
# layers: rlimits cgroup
# limits: memory=64MiB
total, keep = 0, []
try:
    while True:
        a, b = socket.socketpair()
        keep += [a, b]
        for s in (a, b):
            s.setblocking(False)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
            try:
                while True: total += s.send(bytes(65536))
            except BlockingIOError: pass
except OSError as e:
    size = keep[0].getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    if total > 256 * 2 * size: escaped(f"{total} bytes in {len(keep)} sockets")
    else: held(f"{name_of(e.errno)}: {total} bytes in {len(keep)} sockets")
