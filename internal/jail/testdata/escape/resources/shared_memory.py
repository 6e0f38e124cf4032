# expect: held oom
# Pages that processes share, in mappings of their own: a sum of private pages does not see them.
# layers: cgroup
# limits: memory=64MiB
import mmap
keep = []
for i in range(1024):
    m = mmap.mmap(-1, 1 << 20)
    m.write(b"x" * (1 << 20))
    keep.append(m)
escaped("a GiB of shared memory")
