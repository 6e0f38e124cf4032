# expect: held
# The program lists the file systems of the kernel, and reads how full each one is.
# layers: seccomp
# arch: amd64
unreachable("sysfs", lambda: syscall("sysfs", 3))
unreachable("ustat", lambda: syscall("ustat", os.stat("/usr").st_dev & 0xffff, ctypes.create_string_buffer(64)))
