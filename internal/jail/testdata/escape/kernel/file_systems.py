# expect: held
# The program asks for the number of file systems that the kernel knows (sysfs(2)), and how full one is (ustat(2)).
# layers: seccomp
# arch: amd64
unreachable("sysfs", lambda: syscall("sysfs", 3))
unreachable("ustat", lambda: syscall("ustat", os.stat("/usr").st_dev & 0xffff, ctypes.create_string_buffer(64)))
