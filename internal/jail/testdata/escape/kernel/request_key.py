# expect: held
# For a key that does not exist, the host's kernel starts /sbin/request-key as root to create it.
# layers: seccomp
unreachable("request_key", lambda: syscall("request_key", b"user", b"sandboxd-not-there", None, 0))
