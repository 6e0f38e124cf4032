# expect: held oom
# A process forks first and writes later, so that shared pages become many private pages.
# layers: cgroup
# limits: memory=128MiB
x = bytearray(b"x" * (40 << 20))
for i in range(8):
    if os.fork() == 0:
        for at in range(0, len(x), 4096):
            x[at] = i
        time.sleep(10)
        escaped("eight copies of 40 MiB")
        os._exit(0)
time.sleep(12)
