# expect: held
# The program asks for a quota of a disk of the host.
# layers: seccomp
refused("quotactl", lambda: syscall("quotactl", 0x800002, b"/dev/vda", 0, ctypes.create_string_buffer(8)))
