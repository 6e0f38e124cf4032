# expect: held
# The program connects datagram sockets to broadcast and multicast addresses of IPv4 and IPv6. connect on a datagram socket sends nothing,
# but needs a route.
# layers: net-ns
if not ROUTED:
    absent("the host has no route either")
for family, address in ((socket.AF_INET, ("255.255.255.255", 9)), (socket.AF_INET, ("224.0.0.251", 5353)), (socket.AF_INET6, ("ff02::1", 9, 0, 2))):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    refused(str(address), lambda: s.connect(address), errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ENODEV, errno.EINVAL)
