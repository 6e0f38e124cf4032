# expect: held
# The program opens the parent of a namespace and its owner, by ioctl.
# layers: seccomp ids
import fcntl
NS_GET_USERNS, NS_GET_PARENT = 0xb701, 0xb702
for kind in ("user", "pid"):
    fd = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)
    refused(f"NS_GET_PARENT of {kind}", lambda: fcntl.ioctl(fd, NS_GET_PARENT))
fd = os.open("/proc/self/ns/user", os.O_RDONLY)
refused("NS_GET_USERNS", lambda: fcntl.ioctl(fd, NS_GET_USERNS))
