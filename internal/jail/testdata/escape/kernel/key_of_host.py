# expect: held
# A key of the host by its number: key rings have no namespace, and this one is readable by everybody.
# layers: seccomp
buffer = ctypes.create_string_buffer(100)
result, number = syscall("keyctl", 11, KEY_SERIAL, buffer, 100)  # KEYCTL_READ
(escaped if leaks(buffer) else held)(f"KEYCTL_READ: {name_of(number)}")
