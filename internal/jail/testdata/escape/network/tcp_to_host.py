# expect: held
# The program connects to a listener on the host's loopback, which sends the secret to each client.
# layers: net-ns
s = socket.socket()
s.settimeout(10)
try:
    s.connect(("127.0.0.1", TCP_PORT))
    (escaped if leaks(s.recv(100)) else unclear)("connected")
except OSError as e:
    held(f"connect: {e}")
