# expect: held
# The program opens the parents of its user and pid namespaces, and the owner of its user namespace, by ioctl.
# layers: seccomp ids
import fcntl
NS_GET_USERNS, NS_GET_PARENT = 0xb701, 0xb702
for kind in ("user", "pid"):
    fd = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)
    refused(f"NS_GET_PARENT of {kind}", lambda: fcntl.ioctl(fd, NS_GET_PARENT))
fd = os.open("/proc/self/ns/user", os.O_RDONLY)
refused("NS_GET_USERNS", lambda: fcntl.ioctl(fd, NS_GET_USERNS))
