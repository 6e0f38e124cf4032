# expect: held
# The program creates a ring of io_uring, for which the kernel starts worker threads.
# layers: seccomp
refused("io_uring_setup", lambda: syscall("io_uring_setup", 4096, ctypes.create_string_buffer(120)))
