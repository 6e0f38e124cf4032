# expect: held exit=0,oom
# The program fills TCP connections, whose buffers count towards a limit of the whole host (tcp_mem). In a jail the default buffers are
# small.
# layers: net-ns
# limits: memory=64MiB
server = socket.create_server(("127.0.0.1", 0), backlog=100)
total, keep = 0, []
for i in range(50):
    a = socket.create_connection(server.getsockname())
    b, _ = server.accept()
    keep += [a, b]
    for s in (a, b):
        s.setblocking(False)
        try:
            while True: total += s.send(bytes(65536))
        except BlockingIOError: pass
if total > 100 * (128 << 10): escaped(f"{total} bytes in {len(keep)} sockets")
else: held(f"{total} bytes in {len(keep)} sockets")
