# expect: held
# The program opens a socket to the hypervisor (AF_VSOCK). Network namespaces do not separate such sockets (CVE-2021-26708, CVE-2025-21756).
# layers: seccomp
s, number = attempt(lambda: socket.socket(40, socket.SOCK_STREAM))
if number == errno.EAFNOSUPPORT:
    absent("no AF_VSOCK, or a unit that refuses it")
(held if number in DENIED + (errno.EAFNOSUPPORT,) else escaped)(f"AF_VSOCK: {name_of(number)}")
