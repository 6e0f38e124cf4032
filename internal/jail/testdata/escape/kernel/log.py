# expect: held
# The kernel's log, with its addresses and secrets.
# layers: seccomp
if DMESG_RESTRICT:
    absent("kernel.dmesg_restrict")
buffer = ctypes.create_string_buffer(4096)
unreachable("syslog", lambda: syscall("syslog", 3, buffer, 4096))
