# expect: held
# The program locks memory, which the kernel cannot reclaim.
# layers: rlimits
libc.mmap.restype = ctypes.c_void_p
for flags, what in ((0x2022, "MAP_LOCKED"), (0xa022, "MAP_LOCKED and MAP_POPULATE")):
    address = libc.mmap(None, ctypes.c_size_t(1 << 20), 3, flags, -1, ctypes.c_long(0))
    if address == ctypes.c_void_p(-1).value:
        held(f"a MiB with {what}: {name_of(ctypes.get_errno())}")
    else:
        escaped(f"a MiB with {what}, over RLIMIT_MEMLOCK")
for call, args in (("mlock", (0, 1 << 20)), ("mlock2", (0, 1 << 20, 1)), ("mlockall", (3,))):
    refused(call, lambda: syscall(call, *args), *DENIED, errno.ENOMEM)
