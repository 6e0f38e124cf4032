# expect: held
# The program adds a key, which takes kernel memory that is counted by uid (kernel.keys.maxbytes).
# layers: seccomp
refused("add_key", lambda: syscall("add_key", b"user", b"x", b"y" * 1000, 1000, -2))
