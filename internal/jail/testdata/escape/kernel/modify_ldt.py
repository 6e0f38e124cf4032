# expect: held
# The program reads its table of segments (LDT) and adds a segment (CVE-2015-5157).
# layers: seccomp
# arch: amd64
buffer = ctypes.create_string_buffer(64)
unreachable("modify_ldt", lambda: syscall("modify_ldt", 0, buffer, 64))
unreachable("modify_ldt, write", lambda: syscall("modify_ldt", 1, struct.pack("IIII", 0, 0, 0xfffff, 0x51), 16))
