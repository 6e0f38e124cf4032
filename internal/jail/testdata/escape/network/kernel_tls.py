# expect: held
# The program switches on TLS in the kernel, an upper layer protocol of TCP (CVE-2023-0461, CVE-2023-28466).
# layers: seccomp
listener = socket.create_server(("127.0.0.1", 0))
s = socket.create_connection(listener.getsockname())
number = attempt(lambda: s.setsockopt(socket.IPPROTO_TCP, 31, b"tls"))[1]
if number == errno.ENOENT:
    absent("no kernel TLS")
(held if number in DENIED else escaped)(f"TCP_ULP: {name_of(number)}")
