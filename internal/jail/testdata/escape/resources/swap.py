# expect: held
# Swap space of its own.
# layers: seccomp credentials
refused("swapon", lambda: syscall("swapon", b"/tmp/x", 0))
