# expect: held
# The program lets the kernel merge its pages with those of other processes (KSM). This reveals whether another process has the same page
# (Suzaki 2011; CVE-2015-2877).
# layers: seccomp
import mmap
m = mmap.mmap(-1, 1 << 20)
for high in (0, 1 << 32):
    address = ctypes.addressof(ctypes.c_char.from_buffer(m))
    refused(f"madvise(MADV_MERGEABLE) with {high >> 32} above", lambda: syscall("madvise", address, 1 << 20, 12 | high))
refused("prctl(PR_SET_MEMORY_MERGE)", lambda: syscall("prctl", 67, 1, 0, 0, 0), *DENIED, errno.EINVAL)
