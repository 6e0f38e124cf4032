# expect: held exit=0,oom
# The program fills the queues of datagram sockets, of Unix sockets and over the loopback. The queue of a socket must not exceed 1 MiB.
# layers: rlimits cgroup
# limits: memory=64MiB
total = 0
for family, address in ((socket.AF_UNIX, "/tmp/s"), (socket.AF_INET, ("127.0.0.1", 0))):
    r = socket.socket(family, socket.SOCK_DGRAM)
    r.bind(address)
    address = r.getsockname()
    for i in range(100):
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.setblocking(False)
        try:
            for j in range(200): total += s.sendto(bytes(8192), address)
        except OSError: pass
r.setblocking(False)
queued = 0
try:
    while True: queued += len(r.recv(65536))
except OSError: pass
if queued > 1 << 20: escaped(f"{queued} bytes in one queue")
else: held(f"{queued} bytes in one queue, of {total} sent")
