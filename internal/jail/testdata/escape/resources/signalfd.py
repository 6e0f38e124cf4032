# expect: held
# The program creates a signalfd, which is a kernel object.
# layers: seccomp
refused("signalfd4", lambda: syscall("signalfd4", -1, ctypes.create_string_buffer(8), 8, 0))
