# expect: held
# A key that is not there: the host's kernel starts /sbin/request-key as root to make it.
# layers: seccomp
unreachable("request_key", lambda: syscall("request_key", b"user", b"sandboxd-not-there", None, 0))
