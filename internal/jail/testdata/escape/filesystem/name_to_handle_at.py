# expect: held
# The program asks for the handle of a file. Handles reveal inode numbers and generations, from which handles of other files can be guessed.
# layers: seccomp
handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
mount = ctypes.c_int()
unreachable("name_to_handle_at", lambda: syscall("name_to_handle_at", -100, b"/usr/bin/env", handle, mount, 0))
