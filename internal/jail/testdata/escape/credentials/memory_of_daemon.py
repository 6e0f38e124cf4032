# expect: held
# The program searches its own memory for the daemon's secret. Memory of the daemon and of the init must not remain in it.
# layers: daemon
chunk, n = 1 << 16, 0
r, w = os.pipe()
for line in open("/proc/self/maps"):
    area, mode, *_ = line.split()
    start, end = (int(x, 16) for x in area.split("-"))
    if mode[0] != "r" or end - start > 64 << 20 or line.endswith("[vsyscall]\n"):
        continue
    data = b""
    for at in range(start, end, chunk):  # write(2) reads what can be read, and faults for nothing
        got = libc.write(w, ctypes.c_void_p(at), ctypes.c_size_t(min(chunk, end - at)))
        if got > 0: data += os.read(r, got)
    n += len(data)
    if leaks(data):
        escaped(f"the secret is in {line}")
(held if n > 1 << 20 else unclear)(f"looked at {n >> 20} MiB")
