# expect: held
# The program lists interfaces and reads their addresses, indexes and driver settings, by ioctl.
# layers: seccomp
import fcntl
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
request = struct.pack("16s24x", b"lo")
for name, number in (("SIOCGIFCONF", 0x8912), ("SIOCGIFADDR", 0x8915), ("SIOCGIFHWADDR", 0x8927), ("SIOCGIFINDEX", 0x8933), ("SIOCETHTOOL", 0x8946)):
    unreachable(name, lambda: fcntl.ioctl(s, number, request))
