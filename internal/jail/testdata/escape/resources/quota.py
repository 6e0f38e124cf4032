# expect: held
# The program changes quotas of the host's file systems.
# layers: seccomp
refused("quotactl", lambda: syscall("quotactl", 0x800002, b"/dev/vda", 0, ctypes.create_string_buffer(8)))
