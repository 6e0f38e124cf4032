# expect: held exit=0,oom
# The program sends descriptors in messages to sockets that are themselves in messages. They are open but in no descriptor table, and only
# the kernel's garbage collector finds cycles (CVE-2021-0920, CVE-2025-38236).
# layers: rlimits
flying = 0
try:
    for i in range(200):
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for j in range(10):
            socket.send_fds(a, [b"x"], [a.fileno(), b.fileno()] + [0] * 100)
            flying += 102
        a.close(); b.close()
    escaped(f"{flying} descriptors in flight")
except OSError as e:
    held(f"{name_of(e.errno)} with {flying} in flight")
if flying > 2000: escaped(f"{flying} in flight")
