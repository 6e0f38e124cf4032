# expect: held
# The program adds swap space.
# layers: seccomp credentials
refused("swapon", lambda: syscall("swapon", b"/tmp/x", 0))
