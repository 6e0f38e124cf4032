# expect: held
# All processors, or one that somebody else computes on.
# layers: seccomp
mask = ctypes.create_string_buffer(b"\xff" * 128)
unreachable("sched_setaffinity", lambda: syscall("sched_setaffinity", 0, 128, mask))
