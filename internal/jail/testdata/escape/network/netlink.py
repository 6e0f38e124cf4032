# expect: held
# The program opens every protocol of netlink: routes, nf_tables, net/sched, xfrm, audit, crypto, generic.
# layers: seccomp
for protocol in range(0, 23):
    unreachable(f"AF_NETLINK {protocol}", lambda: socket.socket(16, socket.SOCK_RAW, protocol), errno.EAFNOSUPPORT, errno.ENOTSUP)  # the filter answers ENOTSUP for routes
