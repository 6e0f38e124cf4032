# expect: held
# The program uses netfilter's old interface, where a socket option replaces tables (CVE-2021-22555, CVE-2016-4997).
# layers: seccomp ids
for family, level in ((socket.AF_INET, 0), (socket.AF_INET6, 41)):
    s = socket.socket(family, socket.SOCK_DGRAM)
    refused(f"IPT_SO_SET_REPLACE {family}", lambda: s.setsockopt(level, 64, bytes(96)), *DENIED, errno.ENOPROTOOPT)
