# expect: held
# The program installs a seccomp filter, also one with a listener, which answers system calls in place of the kernel. It asks for the
# actions that seccomp offers, and for its filter by ptrace.
# layers: seccomp
program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 1, ctypes.addressof(program)))
for flags in (0, 1 << 3, 1 << 1, 1 << 2):
    unreachable(f"SECCOMP_SET_MODE_FILTER {flags}", lambda: syscall("seccomp", 1, flags, fprog))
unreachable("SECCOMP_GET_ACTION_AVAIL", lambda: syscall("seccomp", 2, 0, struct.pack("I", 0x7fff0000)))
unreachable("PTRACE_SECCOMP_GET_FILTER", lambda: syscall("ptrace", 0x420c, os.getpid(), 0, 0))
