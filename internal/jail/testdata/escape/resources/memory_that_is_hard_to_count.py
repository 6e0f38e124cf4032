# expect: held oom
# The program has children that share thousands of mappings with it, which makes it slow to measure their memory. In the meantime it takes
# memory as fast as it can.
# layers: cgroup
# limits: memory=128MiB pids=40
import mmap
libc.mmap.restype = ctypes.c_void_p
PAGE, SIZE, POPULATE_WRITE = 4096, 32 << 20, 23
def reserve(size): return ctypes.c_void_p(libc.mmap(None, ctypes.c_size_t(size), 3, 0x4022, -1, ctypes.c_long(0)))  # MAP_NORESERVE
shared = reserve(SIZE)
libc.madvise(shared, ctypes.c_size_t(SIZE), 15)  # MADV_NOHUGEPAGE
if libc.madvise(shared, ctypes.c_size_t(SIZE), POPULATE_WRITE): unclear(name_of(ctypes.get_errno()))
for at in range(0, SIZE, 2 * PAGE): libc.mprotect(ctypes.c_void_p(shared.value + at), ctypes.c_size_t(PAGE), 1)
for i in range(20):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
time.sleep(.3)
for i in range(1, 11):
    libc.madvise(reserve(100 << 20), ctypes.c_size_t(100 << 20), POPULATE_WRITE)
    if i >= 6: escaped(f"{i}00 MiB, of 128")
