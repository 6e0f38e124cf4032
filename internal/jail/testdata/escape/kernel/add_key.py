# expect: held
# Keys of each kind: parsers of certificates run in the kernel.
# layers: seccomp
for kind in (b"user", b"logon", b"big_key", b"keyring", b"asymmetric", b"dns_resolver", b"rxrpc", b"encrypted", b"trusted"):
    unreachable(f"add_key {kind.decode()}", lambda: syscall("add_key", kind, b"name", b"payload", 7, -2))
