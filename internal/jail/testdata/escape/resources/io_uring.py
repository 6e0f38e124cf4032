# expect: held
# Rings, and worker threads of the kernel.
# layers: seccomp
refused("io_uring_setup", lambda: syscall("io_uring_setup", 4096, ctypes.create_string_buffer(120)))
