# expect: held oom
# Anonymous pages without end, in one process.
# layers: cgroup
# limits: memory=64MiB
keep = []
for i in range(2048):
    keep.append(b"x" * (1 << 20))
escaped("two GiB of memory")
