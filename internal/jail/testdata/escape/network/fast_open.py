# expect: held
# The program sends data in the first packet without connect (TCP Fast Open).
# layers: net-ns
MSG_FASTOPEN = 0x20000000
s = socket.socket()
try:
    s.sendto(b"x", MSG_FASTOPEN, ("127.0.0.1", TCP_PORT))
    (escaped if leaks(s.recv(100)) else unclear)("connected")
except OSError as e:
    held(f"sendto: {e}")
