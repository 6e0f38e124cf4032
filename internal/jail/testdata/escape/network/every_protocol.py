# expect: held
# The program uses other transports of the allowed families: MPTCP, SCTP, DCCP (CVE-2017-6074), UDP-Lite, L2TP, SMC, and types with the
# protocol of another type.
# layers: seccomp
for family in (socket.AF_INET, socket.AF_INET6):
    for kind, protocol in ((1, 262), (1, 132), (5, 132), (6, 33), (2, 136), (2, 115), (1, 256), (1, 17), (2, 6)):
        number = attempt(lambda: socket.socket(family, kind, protocol))[1]
        (held if number in DENIED else escaped)(f"{family} {kind} {protocol}: {name_of(number)}")
