# expect: held
# The program uses io_uring, whose operations pass no seccomp filter (CVE-2022-29582, CVE-2023-2598, CVE-2024-0582).
# layers: seccomp
if IO_URING_DISABLED == 2:
    absent("kernel.io_uring_disabled")
params = ctypes.create_string_buffer(120)
unreachable("io_uring_setup", lambda: syscall("io_uring_setup", 1, params))
unreachable("io_uring_register", lambda: syscall("io_uring_register", -1, 0, None, 0))
unreachable("io_uring_enter", lambda: syscall("io_uring_enter", 0, 1, 0, 0, None, 0))
