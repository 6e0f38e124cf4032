# expect: held oom
# The program takes shared memory, which a sum of private pages does not count.
# layers: cgroup
# limits: memory=64MiB
import mmap
keep = []
for i in range(1024):
    m = mmap.mmap(-1, 1 << 20)
    m.write(b"x" * (1 << 20))
    keep.append(m)
escaped("a GiB of shared memory")
