# expect: held exit=0,oom
# The program deletes files that it keeps open and writes to. They still use space.
# layers: scratch cgroup
# limits: memory=64MiB scratch=16MiB
keep, total = [], 0
try:
    while total < 256 << 20:
        f = open("/tmp/x", "wb", buffering=0)
        os.unlink("/tmp/x")
        keep.append(f)
        total += f.write(bytes(1 << 20))
    escaped(f"{total} bytes")
except OSError as e:
    held(f"{name_of(e.errno)} after {total} bytes")
if total > 16 << 20:
    escaped(f"{total} bytes of 16 MiB")
