# expect: held
# Leases and notices: what others do with a file; kernel memory by the size of a pipe.
# layers: seccomp
import fcntl
r, w = os.pipe()
directory = os.open("/tmp", os.O_RDONLY)
own = os.open("/tmp/x", os.O_CREAT | os.O_RDONLY)
unreachable("F_SETLEASE", lambda: fcntl.fcntl(own, 1024, 0))
unreachable("F_NOTIFY", lambda: fcntl.fcntl(directory, 1026, 1))
unreachable("F_SETPIPE_SZ", lambda: fcntl.fcntl(w, 1031, 1 << 20))
unreachable("F_SETSIG", lambda: fcntl.fcntl(r, 10, 9))
unreachable("F_OFD_SETLK", lambda: fcntl.fcntl(own, 37, bytes(32)))
