# expect: held exit=0,oom
# The program fills two sparse files through mappings. Together they exceed the quota, so the kernel must send SIGBUS.
# layers: scratch cgroup
# limits: memory=64MiB scratch=16MiB
import mmap
def fill():
    with open("/dev/shm/x", "w+b") as f:
        f.truncate(16 << 20)
        a = mmap.mmap(f.fileno(), 16 << 20)
    with open("/tmp/x", "w+b") as f:
        f.truncate(16 << 20)
        b = mmap.mmap(f.fileno(), 16 << 20)
    for m in (a, b):
        for at in range(0, 16 << 20, 4096):
            m[at] = 1
status = child(fill)
if os.WIFSIGNALED(status):
    held(f"the quota holds: {status_of(status)}")
else:
    escaped("32 MiB in 16")
