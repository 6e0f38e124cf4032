# Comes before run.py outside of a jail: what is the same by intent is made the same. It runs as root in a network namespace
# of its own, and goes on as an unprivileged user.
import fcntl, os, resource, socket, struct

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sH22x", b"lo", 0x41))  # SIOCSIFFLAGS: up and running
for limit, value in ((resource.RLIMIT_NOFILE, 256), (resource.RLIMIT_FSIZE, 64 << 20), (resource.RLIMIT_STACK, 8 << 20),
                     (resource.RLIMIT_CORE, 1), (resource.RLIMIT_MEMLOCK, 64 << 10)):
    resource.setrlimit(limit, (value, value))
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
os.setsid()
