# expect: held
# The program loads another kernel.
# layers: seccomp ids
refused("kexec_load", lambda: syscall("kexec_load", 0, 0, None, 0))
refused("kexec_file_load", lambda: syscall("kexec_file_load", 0, -1, 1, b"\0", 8))
