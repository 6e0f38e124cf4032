# expect: held oom
# One process takes 2 GiB of anonymous pages. The limit is 64 MiB.
# layers: cgroup
# limits: memory=64MiB
keep = []
for i in range(2048):
    keep.append(b"x" * (1 << 20))
escaped("two GiB of memory")
