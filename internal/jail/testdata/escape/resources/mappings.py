# expect: held exit=0,oom
# The program maps single pages with gaps between them. Each mapping is a kernel object (vm.max_map_count).
# layers: kernel
# limits: memory=64MiB
import mmap
keep = []
try:
    for i in range(1 << 20):
        keep.append(mmap.mmap(-1, 4096, prot=mmap.PROT_READ if i % 2 else mmap.PROT_READ | mmap.PROT_WRITE))
    escaped(f"{len(keep)} mappings")
except (OSError, MemoryError):
    n = len(keep)
    keep.clear()
    held(f"no more after {n}")
