# expect: held exit=0,oom
# The program fills a file in each writable directory. The scratch space has one size limit, and counts as memory of the run.
# layers: scratch cgroup
# limits: memory=64MiB scratch=32MiB
total = 0
for d in ("/tmp", "/dev/shm", "/run", "/home/sandbox"):
    try:
        with open(d + "/x", "wb", buffering=0) as f:
            while True:
                total += f.write(bytes(1 << 16))
    except OSError as e:
        held(f"{d}: {name_of(e.errno)}")
if total > 32 << 20:
    escaped(f"{total} bytes of 32 MiB")
