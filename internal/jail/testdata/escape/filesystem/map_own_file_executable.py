# expect: held
# The program maps a file of the scratch space as executable, by mmap and by a later mprotect.
# layers: attributes
import mmap
with open("/tmp/code", "w+b") as f:
    f.write(bytes(4096))
    f.flush()
    refused("mmap", lambda: mmap.mmap(f.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC))
    refused("mmap, shared", lambda: mmap.mmap(f.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_EXEC))
    m = mmap.mmap(f.fileno(), 4096, mmap.MAP_PRIVATE)
    refused("mprotect", lambda: syscall("mprotect", ctypes.addressof(ctypes.c_char.from_buffer(m)), 4096, 5))
