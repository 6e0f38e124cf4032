# expect: held
# The program sets leases, F_NOTIFY and signals of a descriptor, which show what other processes do with a file.
# layers: seccomp
import fcntl
r, w = os.pipe()
directory = os.open("/tmp", os.O_RDONLY)
own = os.open("/tmp/x", os.O_CREAT | os.O_RDONLY)
unreachable("F_SETLEASE", lambda: fcntl.fcntl(own, 1024, 0))
unreachable("F_NOTIFY", lambda: fcntl.fcntl(directory, 1026, 1))
unreachable("F_SETSIG", lambda: fcntl.fcntl(r, 10, 9))
unreachable("F_SETOWN", lambda: fcntl.fcntl(r, 8, os.getpid()))
