# expect: held
# The state of NTP of the host's clock.
# layers: seccomp
unreachable("adjtimex", lambda: syscall("adjtimex", bytes(208)))
