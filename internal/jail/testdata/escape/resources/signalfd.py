# expect: held
# The program creates a signalfd, which is a kernel object (related to CVE-2023-2598).
# layers: seccomp
refused("signalfd4", lambda: syscall("signalfd4", -1, ctypes.create_string_buffer(8), 8, 0))
