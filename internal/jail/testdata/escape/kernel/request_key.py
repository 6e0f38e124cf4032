# expect: held
# The program requests a key that does not exist. The host's kernel would start /sbin/request-key as root to create it.
# layers: seccomp
unreachable("request_key", lambda: syscall("request_key", b"user", b"sandboxd-not-there", None, 0))
