# expect: held
# The program marks pages of the machine's memory as broken (MADV_HWPOISON, MADV_SOFT_OFFLINE), so that the kernel no longer uses them.
# layers: ids
libc.mmap.restype = ctypes.c_void_p
at = libc.mmap(None, ctypes.c_size_t(4096), 3, 0x22, -1, ctypes.c_long(0))
for advice in (100, 101):  # MADV_HWPOISON, MADV_SOFT_OFFLINE
    refused(f"madvise {advice}", lambda: syscall("madvise", at, 4096, advice), errno.EPERM, errno.EINVAL, errno.ENOSYS)
