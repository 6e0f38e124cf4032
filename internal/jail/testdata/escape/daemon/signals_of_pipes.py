# expect: held
# The program sets the owner and the signal of a pipe. The kernel sends this signal to the owner when data can be read or written.
# layers: seccomp
import fcntl
refused("F_SETOWN", lambda: fcntl.fcntl(1, 8, 1))
refused("F_SETOWN_EX", lambda: fcntl.fcntl(1, 15, struct.pack("ii", 0, 1)))
refused("F_SETSIG", lambda: fcntl.fcntl(1, 10, 9))
