# expect: held
# The program creates rings, for which the kernel starts worker threads.
# layers: seccomp
refused("io_uring_setup", lambda: syscall("io_uring_setup", 4096, ctypes.create_string_buffer(120)))
