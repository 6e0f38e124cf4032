# expect: held oom
# Each of thirty processes takes 8 MiB of memory. The limit for all of them together is 64 MiB.
# layers: cgroup
# limits: memory=64MiB
for i in range(30):
    if os.fork() == 0:
        break
x = bytearray(os.urandom(1 << 10)) * (8 << 10)
time.sleep(10)
if i == 29:
    escaped("thirty times 8 MiB")
