# expect: held
# What the host's clock is told by NTP.
# layers: seccomp
unreachable("adjtimex", lambda: syscall("adjtimex", bytes(208)))
