# expect: held
# io_uring does system calls that no filter sees (CVE-2022-29582, CVE-2023-2598, CVE-2024-0582).
# layers: seccomp
params = ctypes.create_string_buffer(120)
refused("io_uring_setup", lambda: syscall("io_uring_setup", 1, params))
