# expect: held
# The program connects datagram sockets to IPv6 addresses outside of the host: one for documentation, and the metadata service of a cloud.
# layers: net-ns
if not ROUTED6:
    absent("the host has no route either")
for address in (("2001:db8::1", 53), ("fd00:ec2::254", 80)):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    refused(str(address), lambda: s.connect(address), errno.ENETUNREACH, errno.EADDRNOTAVAIL)
