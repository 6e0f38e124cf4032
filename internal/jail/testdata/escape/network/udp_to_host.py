# expect: held
# The program sends a datagram to a socket on the host's loopback, which does not answer. The test counts the datagrams that arrive.
# layers: net-ns
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.connect(("127.0.0.1", UDP_PORT))
try:
    s.send(b"x")
    s.recv(1)
    unclear("an answer")
except ConnectionRefusedError:
    held("nobody there")
except TimeoutError:
    escaped("somebody is there")
