# expect: held
# The program connects to a listener on the host's loopback by IPv6.
# layers: net-ns
if not TCP6_PORT:
    absent("the host has no IPv6")
s = socket.socket(socket.AF_INET6)
s.settimeout(10)
try:
    s.connect(("::1", TCP6_PORT or 1))
    (escaped if leaks(s.recv(100)) else unclear)("connected")
except OSError as e:
    held(f"connect: {e}")
