# expect: held
# The program reads a key of the host by its number. Key rings have no namespace, and every user may read this key.
# layers: seccomp
buffer = ctypes.create_string_buffer(100)
result, number = syscall("keyctl", 11, KEY_SERIAL, buffer, 100)  # KEYCTL_READ
(escaped if leaks(buffer) else held)(f"KEYCTL_READ: {name_of(number)}")
