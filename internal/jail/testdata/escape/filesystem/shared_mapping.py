# expect: held
# The program makes a shared mapping of a system file writable. All processes would see a change.
# layers: kernel
fd = os.open("/usr/bin/env", os.O_RDONLY)
libc.mmap.restype = ctypes.c_void_p
at = libc.mmap(None, ctypes.c_size_t(4096), 1, 1, fd, ctypes.c_long(0))
refused("mprotect", lambda: syscall("mprotect", at, 4096, 3), errno.EACCES)
ctypes.set_errno(0)
at = libc.mmap(None, ctypes.c_size_t(4096), 3, 1, fd, ctypes.c_long(0))
(held if ctypes.get_errno() in (errno.EACCES, errno.EPERM) else escaped)(f"mmap: {name_of(ctypes.get_errno())}")
