# expect: held
# A child enters the 32-bit code segment by a far return, and makes a system call there (int 0x80).
# layers: seccomp
# arch: amd64
libc.mmap.restype = ctypes.c_void_p
low = libc.mmap(None, ctypes.c_size_t(8192), 7, 0x22 | 0x40, -1, ctypes.c_long(0))
# 64 bit: mov esp, low + 8000; push 0x23; push low + 64; retfq
code = b"\xbc" + struct.pack("I", low + 8000) + b"\x6a\x23\x68" + struct.pack("I", low + 64) + b"\x48\xcb"
ctypes.memmove(low, code, len(code))
# 32 bit: mov eax, 1 (exit of i386); mov ebx, 50; int 0x80
code = b"\xb8\x01\x00\x00\x00\xbb\x32\x00\x00\x00\xcd\x80\xf4"
ctypes.memmove(low + 64, code, len(code))
status = child(ctypes.CFUNCTYPE(ctypes.c_int)(low))
if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV:
    absent("no 32-bit system calls in this kernel")
(escaped if os.WIFEXITED(status) else held)(f"exit by int 0x80: {status_of(status)}")
