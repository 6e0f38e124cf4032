# expect: held
# A child makes a system call by the 32-bit entry SYSENTER.
# layers: seccomp
# arch: amd64
libc.mmap.restype = ctypes.c_void_p
low = libc.mmap(None, ctypes.c_size_t(8192), 7, 0x22 | 0x40, -1, ctypes.c_long(0))
# mov esp, low + 8000; mov ebp, esp; mov eax, 1 (exit of i386); mov ebx, 50; sysenter
code = b"\xbc" + struct.pack("I", low + 8000) + b"\x89\xe5\xb8\x01\x00\x00\x00\xbb\x32\x00\x00\x00\x0f\x34"
ctypes.memmove(low, code, len(code))
status = child(ctypes.CFUNCTYPE(ctypes.c_int)(low))
if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGSEGV, signal.SIGILL):
    absent("no SYSENTER on this machine")
(escaped if os.WIFEXITED(status) else held)(f"exit by sysenter: {status_of(status)}")
