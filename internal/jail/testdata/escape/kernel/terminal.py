# expect: held
# The program sets its controlling terminal, opens a terminal, and changes the mode of the console.
# layers: seccomp
for name, request in (("TIOCSCTTY", 0x540e), ("TIOCCONS", 0x541d), ("TIOCNOTTY", 0x5422), ("KDSETMODE", 0x4b3a), ("VT_ACTIVATE", 0x5606),
                      ("TIOCSSERIAL", 0x541f), ("TIOCVHANGUP", 0x5437)):
    unreachable(name, lambda: syscall("ioctl", 0, request, bytes(64)))
for fd in range(3):  # requests to a controlling terminal, which the program does not have
    for name, request in (("TCSETS", 0x5402), ("TIOCSPGRP", 0x5410), ("TIOCGSID", 0x5429)):
        refused(f"{name} {fd}", lambda: syscall("ioctl", fd, request, bytes(64)), errno.ENOTTY)
for path in ("/dev/ptmx", "/dev/pts/ptmx"): refused(path, lambda: os.open(path, os.O_RDWR), errno.ENOENT)
refused("/dev/tty", lambda: os.open("/dev/tty", os.O_RDWR), errno.ENOENT)
