# expect: held
# The program opens performance events (CVE-2013-2094, CVE-2023-5717).
# layers: seccomp
if PERF_EVENT_PARANOID > 2:
    absent("kernel.perf_event_paranoid")
attributes = ctypes.create_string_buffer(struct.pack("IIQQQQQ", 1, 112, 0, 0, 0, 0, 1 << 5 | 1 << 6), 112)
unreachable("perf_event_open", lambda: syscall("perf_event_open", attributes, 0, -1, -1, 0), errno.ENOENT)
