# expect: held
# Rings that count towards a limit of the whole host (fs.aio-max-nr).
# layers: seccomp
refused("io_setup", lambda: syscall("io_setup", 65536, ctypes.create_string_buffer(8)))
