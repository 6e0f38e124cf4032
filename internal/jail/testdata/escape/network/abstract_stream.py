# expect: held
# The program connects to an abstract Unix socket of the host, which is in no file system (CVE-2020-15257 of containerd).
# layers: net-ns
s = socket.socket(socket.AF_UNIX)
try:
    s.connect("\0" + ABSTRACT)
    (escaped if leaks(s.recv(100)) else unclear)("connected")
except OSError as e:
    held(f"connect: {e}")
