# expect: held
# The program raises its capabilities with capset.
# layers: seccomp credentials
header = struct.pack("II", 0x20080522, 0)
for data in (struct.pack("6I", *(0xffffffff,) * 6), struct.pack("6I", 1 << 21, 1 << 21, 1 << 21, 0, 0, 0)):
    refused("capset", lambda: syscall("capset", header, data))
