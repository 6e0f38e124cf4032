# expect: held oom
# One process takes anonymous pages without end.
# layers: cgroup
# limits: memory=64MiB
keep = []
for i in range(2048):
    keep.append(b"x" * (1 << 20))
escaped("two GiB of memory")
