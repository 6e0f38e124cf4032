# expect: held
# The program switches off the loopback interface, sets its address, and creates a bridge.
# layers: seccomp ids
import fcntl
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
refused("SIOCSIFFLAGS", lambda: fcntl.ioctl(s, 0x8914, struct.pack("16sH22x", b"lo", 0)))
refused("SIOCSIFADDR", lambda: fcntl.ioctl(s, 0x8916, struct.pack("16sHH4s16x", b"lo", 2, 0, bytes([10, 0, 0, 1]))))
refused("SIOCBRADDBR", lambda: fcntl.ioctl(s, 0x89a0, b"br-mine\0" + bytes(32)), *DENIED, errno.ENOTTY, errno.ENOPKG, errno.EINVAL)
