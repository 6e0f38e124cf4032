# expect: held
# Objects of the kernel's, and of the signal code's race conditions (CVE-2023-2598's kin).
# layers: seccomp
refused("signalfd4", lambda: syscall("signalfd4", -1, ctypes.create_string_buffer(8), 8, 0))
