# expect: held
# The program writes to a pipe whose last page is a page of a read-only file (CVE-2022-0847). The page comes from splice, or from sendfile,
# which also puts pages of files into a pipe.
# layers: kernel
before = open("/usr/bin/env", "rb").read(4096)
fd = os.open("/usr/bin/env", os.O_RDONLY)
for name in ("splice", "sendfile"):
    r, w = os.pipe()
    size = 65536
    os.write(w, bytes(size))
    while size:
        size -= len(os.read(r, size))
    offset = ctypes.c_int64(4)
    arguments = (fd, offset, w, None, 1, 0) if name == "splice" else (w, fd, offset, 1)
    result, number = syscall(name, *arguments)
    held(f"{name}: {name_of(number)}") if number else os.write(w, b"dirty")
    (held if open("/usr/bin/env", "rb").read(4096) == before else escaped)(f"{name}: /usr/bin/env is as it was")
