# expect: held
# The program creates contexts of asynchronous I/O. The host has a limit for the events of all contexts together (fs.aio-max-nr).
# layers: seccomp
refused("io_setup", lambda: syscall("io_setup", 65536, ctypes.create_string_buffer(8)))
