# expect: held
# The program connects to the host's loopback by an IPv4 address mapped to IPv6, and by other addresses of the loopback.
# layers: net-ns
for family, address in ((socket.AF_INET6, "::ffff:127.0.0.1"), (socket.AF_INET, "127.1.2.3"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    port = TCP6_PORT if address == "::" else TCP_PORT
    s = socket.socket(family)
    s.settimeout(10)
    try:
        s.connect((address, port))
        (escaped if leaks(s.recv(100)) else unclear)(f"connected to {address}")
    except OSError as e:
        held(f"connect to {address}: {e}")
