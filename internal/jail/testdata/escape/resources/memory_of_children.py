# expect: held oom
# Each process takes little memory, but all of them together take much.
# layers: cgroup
# limits: memory=64MiB
for i in range(30):
    if os.fork() == 0:
        break
x = bytearray(os.urandom(1 << 10)) * (8 << 10)
time.sleep(10)
if i == 29:
    escaped("thirty times 8 MiB")
