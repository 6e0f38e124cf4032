# expect: held
# What the daemon or the init left in memory: nothing survives execve.
# layers: daemon
n = 0
with open("/proc/self/mem", "rb", buffering=0) as memory:
    for line in open("/proc/self/maps"):
        area, mode, *_ = line.split()
        start, end = (int(x, 16) for x in area.split("-"))
        if mode[0] != "r" or end - start > 64 << 20 or line.endswith("[vvar]\n") or line.endswith("[vsyscall]\n"):
            continue
        try:
            memory.seek(start)
            data = memory.read(end - start)
        except (OSError, ValueError, OverflowError):
            continue
        n += len(data)
        if leaks(data):
            escaped(f"the secret is in {line}")
held(f"looked at {n >> 20} MiB")
