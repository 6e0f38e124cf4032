# expect: held
# The program resolves names by the C library. It also sends requests to name servers on the loopback, and connects datagram sockets to
# public ones, which sends nothing but needs a route.
# layers: net-ns
for name in ("example.com", HOST_NAME + ".local", "metadata.google.internal"):
    try:
        escaped(f"{name}: {socket.getaddrinfo(name, 80)}")
    except socket.gaierror as e:
        held(f"{name}: {e}")
if not ROUTED:
    absent("the host has no route either")
for server in ("127.0.0.53", "127.0.0.1", "1.1.1.1", "8.8.8.8"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    try:
        s.connect((server, 53))
        if not server.startswith("127."):
            escaped(f"a way to {server}")
            continue
        s.send(bytes.fromhex("000101000001000000000000076578616d706c6503636f6d0000010001"))
        escaped(f"{server}: {s.recv(512)}")
    except OSError as e:
        held(f"{server}: {e}")
