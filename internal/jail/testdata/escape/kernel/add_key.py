# expect: held
# The program adds keys of each type. The kernel parses some of them, for example certificates.
# layers: seccomp
for kind in (b"user", b"logon", b"big_key", b"keyring", b"asymmetric", b"dns_resolver", b"rxrpc", b"encrypted", b"trusted"):
    unreachable(f"add_key {kind.decode()}", lambda: syscall("add_key", kind, b"name", b"payload", 7, -2))
