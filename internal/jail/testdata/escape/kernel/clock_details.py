# expect: held
# The program reads the NTP state of the host's clock.
# layers: seccomp
unreachable("adjtimex", lambda: syscall("adjtimex", bytes(208)))
