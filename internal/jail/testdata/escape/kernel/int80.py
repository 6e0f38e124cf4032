# expect: held
# A child makes a system call by the 32-bit entry (int 0x80), where the numbers have other meanings (CVE-2009-0835).
# layers: seccomp
# arch: amd64
import mmap
# mov eax, 20 (getpid of i386); int 0x80; ret
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
entry = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
status = child(entry)
if status == signal.SIGSEGV or status == 99 << 8:
    absent("no 32-bit system calls in this kernel")
(escaped if os.WIFEXITED(status) else held)(f"int 0x80: {status_of(status)}")
