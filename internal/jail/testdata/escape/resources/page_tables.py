# expect: held oom
# The program reads one byte in each 2 MiB of a mapping, which allocates a page table but no page.
# layers: cgroup
# limits: memory=64MiB
import mmap
m = mmap.mmap(-1, 1 << 39, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE | 0x4000)  # MAP_NORESERVE
for at in range(0, 1 << 39, 2 << 20):
    m[at]
escaped("a GiB of page tables")
