# expect: held
# The program reads files of /proc that show the kernel's memory or state, and looks for addresses of the kernel in them.
# layers: mounts ids
for name in ("kcore", "kallsyms", "kpageflags", "iomem", "timer_list", "slabinfo", "vmallocinfo", "keys", "key-users", "modules", "sched_debug"):
    for path in hosts("/proc/" + name):
        try:
            data = open(path, "rb").read(1 << 16)
        except OSError as e:
            held(f"{path}: {name_of(e.errno)}")
            continue
        addresses = re.findall(rb"(?i)\bffff[0-9a-f]{12}\b", data)
        (escaped if addresses else held)(f"{path}: {len(addresses)} addresses of the kernel")
