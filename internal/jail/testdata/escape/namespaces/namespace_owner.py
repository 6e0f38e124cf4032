# expect: held
# The program asks for the owner of its user namespace, which is a uid of the host.
# layers: seccomp
import fcntl
NS_GET_OWNER_UID = 0xb704
fd = os.open("/proc/self/ns/user", os.O_RDONLY)
unreachable("NS_GET_OWNER_UID", lambda: fcntl.ioctl(fd, NS_GET_OWNER_UID, bytes(4)))
