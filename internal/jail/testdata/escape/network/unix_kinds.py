# expect: held
# The program creates Unix sockets of unusual and invalid types.
# layers: seccomp
for kind in (3, 4, 6, 7, 10):
    for call in ("socket", "socketpair"):
        pair = (ctypes.c_int * 2)()
        number = attempt(lambda: syscall(call, 1, kind, 0, pair))[1]
        (held if number in DENIED else escaped)(f"{call} AF_UNIX {kind}: {name_of(number)}")
