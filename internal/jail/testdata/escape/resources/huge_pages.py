# expect: held oom
# The program writes to 4 GiB of memory that transparent huge pages may back. The memory limit must still hold.
# layers: cgroup
# limits: memory=64MiB
import mmap
m = mmap.mmap(-1, 4 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)  # MAP_NORESERVE
try:
    m.madvise(14)  # MADV_HUGEPAGE
except OSError:
    pass
for at in range(0, 4 << 30, 4096):
    m[at] = 1
escaped("4 GiB by huge pages")
