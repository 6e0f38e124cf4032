# expect: held
# The program uses names for which the kernel loads a module: a line discipline (CVE-2017-2636), protocols, a file system.
# layers: seccomp
import fcntl
unreachable("TIOCSETD", lambda: fcntl.ioctl(0, 0x5423, struct.pack("i", 13)))
for family in (21, 29, 30, 35, 39):
    number = attempt(lambda: socket.socket(family, 2))[1]
    (held if number in DENIED + (errno.EAFNOSUPPORT,) else escaped)(f"family {family}: {name_of(number)}")
unreachable("fsopen", lambda: syscall("fsopen", b"no-such-fs", 0))
