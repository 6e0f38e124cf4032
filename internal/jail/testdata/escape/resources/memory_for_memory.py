# expect: held oom
# Each process gives back shared pages and takes as many private ones. Its size does not change, but the sum of all grows.
# layers: cgroup
# limits: memory=64MiB pids=40
import mmap
m = mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
m.write(b"x" * (16 << 20))
mine = mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
r, w = os.pipe()
for i in range(30):
    if os.fork() == 0:
        break
else:
    for i in range(20): os.read(r, 1)
    escaped("twenty times 16 MiB, of 64")
for at in range(0, 16 << 20, 1 << 16):
    m.madvise(4, at, 1 << 16)  # MADV_DONTNEED
    mine[at:at + (1 << 16)] = b"y" * (1 << 16)
os.write(w, b"x")
time.sleep(30)
