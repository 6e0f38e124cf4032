# expect: held
# The program moves and remaps pages, reserves a protection key, gives pages to a pipe, creates secret memory, and asks which pages are in
# memory: for a shared file that shows what others have used (CVE-2019-5489).
# layers: seccomp
libc.mmap.restype = ctypes.c_void_p
at = libc.mmap(None, ctypes.c_size_t(4096), 3, 0x22, -1, ctypes.c_long(0))
vector = ctypes.create_string_buffer(1)
unreachable("mincore", lambda: syscall("mincore", at, 4096, vector))
unreachable("move_pages", lambda: syscall("move_pages", 0, 0, None, None, None, 0))
unreachable("mbind", lambda: syscall("mbind", at, 4096, 0, None, 0, 0))
unreachable("remap_file_pages", lambda: syscall("remap_file_pages", at, 4096, 0, 0, 0))
unreachable("vmsplice", lambda: syscall("vmsplice", os.pipe()[1], (ctypes.c_void_p * 2)(at, 4096), 1, 0))
unreachable("pkey_alloc", lambda: syscall("pkey_alloc", 0, 0))
unreachable("memfd_secret", lambda: syscall("memfd_secret", 0))
