# expect: held signal=SIGSYS|signal=SIGSEGV
# The same as int80, but the program makes the call itself. It must not return. A child tries first whether this kernel has the entry.
# layers: seccomp
# arch: amd64
import mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
entry = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
if child(entry) == signal.SIGSEGV:
    absent("no 32-bit system calls in this kernel")
result = entry()
escaped(f"int 0x80 returned {result}")
