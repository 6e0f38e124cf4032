# expect: held
# The program searches its session keyring, which may be inherited from the daemon, for a key of the host, and reads it.
# layers: seccomp session
buffer = ctypes.create_string_buffer(100)
serial, number = syscall("keyctl", 10, -3, b"user", b"sandboxd-escape", 0)  # KEYCTL_SEARCH
held(f"KEYCTL_SEARCH: {name_of(number)}") if number else syscall("keyctl", 11, serial, buffer, 100)
(escaped if leaks(buffer) else held)("no secret")
