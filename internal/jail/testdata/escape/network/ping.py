# expect: held
# The program opens ICMP sockets, which need no privilege (CVE-2015-3636).
# layers: seccomp
for family, protocol in ((socket.AF_INET, 1), (socket.AF_INET6, 58)):
    number = attempt(lambda: socket.socket(family, socket.SOCK_DGRAM, protocol))[1]
    if number == errno.EACCES:
        absent("the kernel allows nobody")  # ping_group_range
    (held if number in DENIED else escaped)(f"ping {family}: {name_of(number)}")
