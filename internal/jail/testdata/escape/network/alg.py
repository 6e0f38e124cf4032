# expect: held
# The program creates a socket for the kernel's cryptography (CVE-2019-8912, CVE-2025-38079).
# layers: seccomp
number = attempt(lambda: socket.socket(38, socket.SOCK_SEQPACKET))[1]
if number == errno.EAFNOSUPPORT:
    absent("no AF_ALG, or a unit that refuses it")
(held if number in DENIED + (errno.EAFNOSUPPORT,) else escaped)(f"AF_ALG: {name_of(number)}")
