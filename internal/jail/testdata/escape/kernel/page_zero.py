# expect: held
# The program maps memory at address 0, which a null pointer in the kernel would read (CVE-2009-2692).
# layers: kernel
libc.mmap.restype = ctypes.c_void_p
MAP_FIXED = 0x10
at = libc.mmap(ctypes.c_void_p(0), ctypes.c_size_t(4096), 7, 0x22 | MAP_FIXED, -1, ctypes.c_long(0))
number = ctypes.get_errno()
(held if at == ctypes.c_void_p(-1).value and number in (errno.EPERM, errno.EACCES) else escaped)(f"mmap: {name_of(number)}")
