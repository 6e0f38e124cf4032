# expect: held
# The program creates sockets of every address family and type, except Unix sockets and IPv4 and IPv6 streams and datagrams.
# layers: seccomp
for family in [0, *range(3, 10), *range(11, 64), 255, 1 << 31]:
    for kind in (1, 2, 3, 4, 5, 6, 10):
        number = attempt(lambda: syscall("socket", family, kind, 0))[1]
        if number not in DENIED + (errno.EAFNOSUPPORT,) + ((errno.ENOTSUP,) if family == 16 else ()):
            escaped(f"family {family}, type {kind}: {name_of(number)}")
held("all tried")
