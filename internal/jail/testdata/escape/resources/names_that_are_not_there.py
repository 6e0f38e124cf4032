# expect: held exit=0,oom
# The program looks up names that do not exist. Each lookup adds a negative entry to the kernel's dentry cache.
# layers: cgroup
# limits: memory=64MiB
def free():
    info = (ctypes.c_ulong * 14)()
    libc.sysinfo(info)
    return info[5] + info[7]  # freeram, bufferram
before, n = free(), 0
end = time.monotonic() + 2
while time.monotonic() < end:
    for d in ("/tmp", "/usr/lib", "/"):
        for i in range(100):
            try: os.stat(f"{d}/{n}-{i}-" + "x" * 200)
            except OSError: pass
    n += 1
# Other processes of the host use memory too. An entry and its name take about 500 bytes, so at most twice that is counted for each.
taken = min(before - free(), n * 300 * 1000)
if taken > 1 << 30:
    escaped(f"{taken} bytes of the host's for {n * 300} names")
held(f"{n * 300} names")
