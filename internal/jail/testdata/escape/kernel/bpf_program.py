# expect: held
# The program loads BPF programs of several types, asks for the id of a BPF program of the host, and opens a BPF object by its path.
# layers: seccomp kernel
program = ctypes.create_string_buffer(struct.pack("<BBhi", 0xb7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0))
license = ctypes.create_string_buffer(b"GPL")
for kind in (1, 6, 8, 17, 26):
    refused(f"BPF_PROG_LOAD {kind}", lambda: syscall("bpf", 5, struct.pack("IIQQIIQII", kind, 2, ctypes.addressof(program), ctypes.addressof(license), 0, 0, 0, 0, 0) + bytes(72), 120))
refused("BPF_PROG_GET_NEXT_ID", lambda: syscall("bpf", 11, bytes(120), 120))
refused("BPF_OBJ_GET", lambda: syscall("bpf", 7, bytes(120), 120), *DENIED, errno.EFAULT)
