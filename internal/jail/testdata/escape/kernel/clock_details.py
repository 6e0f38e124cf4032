# expect: held
# The program reads the NTP state of the host's clock by adjtimex, which changes nothing here.
# layers: seccomp
unreachable("adjtimex", lambda: syscall("adjtimex", bytes(208)))
