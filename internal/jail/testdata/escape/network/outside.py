# expect: held
# The program connects to addresses outside of the host: one for documentation, the metadata services of clouds, private networks. connect
# on a datagram socket sends nothing, but needs a route.
# layers: net-ns
if not ROUTED:
    absent("the host has no route either")
for address in ("192.0.2.1", "169.254.169.254", "10.0.0.1", "172.17.0.1", "192.168.0.1", "100.100.100.200"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    refused(address, lambda: s.connect((address, 53)), errno.ENETUNREACH)
