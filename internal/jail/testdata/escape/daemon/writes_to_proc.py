# expect: held
# The program opens each file of its own process in /proc for writing, among them its oom score, memory, id maps and labels, and some files
# of the kernel.
# layers: mounts
tried = 0
for name in sorted(os.listdir("/proc/self")) + ["attr/current", "attr/exec", "attr/fscreate", "net/rt_acct", "task/1/comm", "fdinfo/1"]:
    path = "/proc/self/" + name
    if os.path.isdir(path) or os.path.islink(path): continue
    for flags in (os.O_WRONLY, os.O_RDWR):
        try:
            fd = os.open(path, flags)
            os.close(fd)
            escaped(f"{path} opens for writing")
        except OSError: tried += 1
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/self/mem", "/proc/1/oom_score_adj", "/proc/self/task/1/oom_adj"):
    try: os.close(os.open(path, os.O_WRONLY)); escaped(path)
    except OSError: tried += 1
held(f"{tried} refusals")
