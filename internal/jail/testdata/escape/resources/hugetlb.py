# expect: held
# The program maps huge pages of the host's pool. They do not count as memory of the cgroup (hugetlbpage.rst), so one run could take all of
# them.
# layers: seccomp
import mmap
libc.mmap.restype = ctypes.c_void_p
for size in (0, 21 << 26, 30 << 26):  # the default size, 2 MiB, 1 GiB
    address = libc.mmap(None, ctypes.c_size_t(1 << 30), 3, 0x22 | 0x40000 | size, -1, ctypes.c_long(0))  # MAP_HUGETLB
    if address == ctypes.c_void_p(-1).value and ctypes.get_errno() in DENIED:
        held(f"mmap with MAP_HUGETLB: {name_of(ctypes.get_errno())}")
    else:
        escaped(f"mmap with MAP_HUGETLB reaches the pool: {name_of(ctypes.get_errno())}")
