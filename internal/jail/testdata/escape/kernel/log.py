# expect: held
# The program reads the kernel's log, which may contain addresses and secrets.
# layers: seccomp
if DMESG_RESTRICT:
    absent("kernel.dmesg_restrict")
buffer = ctypes.create_string_buffer(4096)
unreachable("syslog", lambda: syscall("syslog", 3, buffer, 4096))
