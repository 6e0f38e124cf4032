# expect: held
# A child makes a denied call by the 32-bit entry: socketcall, which creates a netlink socket. The arguments are in low memory, where 32-bit
# pointers reach them.
# layers: seccomp
# arch: amd64
import mmap
libc.mmap.restype = ctypes.c_void_p
MAP_32BIT = 0x40
low = libc.mmap(None, ctypes.c_size_t(4096), 7, 0x22 | MAP_32BIT, -1, ctypes.c_long(0))
ctypes.memmove(low + 1024, struct.pack("III", 16, 3, 0), 12)
# push rbx; mov eax, 102 (socketcall); mov ebx, 1 (SYS_SOCKET); mov ecx, low + 1024; int 0x80; pop rbx; ret
code = b"\x53\xb8\x66\x00\x00\x00\xbb\x01\x00\x00\x00\xb9" + struct.pack("I", low + 1024) + b"\xcd\x80\x5b\xc3"
ctypes.memmove(low, code, len(code))
def run():
    result = ctypes.CFUNCTYPE(ctypes.c_int)(low)()
    os._exit(50 if result >= 0 else 51)
status = child(run)
if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV:
    absent("no 32-bit system calls in this kernel")
(escaped if os.WIFEXITED(status) else held)(f"socketcall: {status_of(status)}")
