# expect: held
# The program makes a socket send SIGIO to a process of the host (fcntl(F_SETOWN)).
# layers: seccomp pid-ns
import fcntl
a, b = socket.socketpair()
refused("F_SETOWN", lambda: fcntl.fcntl(a, fcntl.F_SETOWN, HOST_PID), errno.EPERM, errno.ESRCH)
refused("F_SETOWN_EX", lambda: fcntl.fcntl(a, 15, struct.pack("ii", 1, HOST_PID)), errno.EPERM, errno.ESRCH)
