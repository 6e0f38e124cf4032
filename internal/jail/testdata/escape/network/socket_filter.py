# expect: held
# The program attaches BPF programs to a socket.
# layers: seccomp
program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
fprog = struct.pack("HxxxxxxP", 1, ctypes.addressof(program))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for option in (26, 51):  # SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF
    unreachable(f"option {option}", lambda: s.setsockopt(socket.SOL_SOCKET, option, fprog))
