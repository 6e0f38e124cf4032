# expect: held
# The program asks for access to the I/O ports of the machine.
# layers: seccomp ids
# arch: amd64
refused("iopl", lambda: syscall("iopl", 3))
refused("ioperm", lambda: syscall("ioperm", 0x60, 5, 1))
