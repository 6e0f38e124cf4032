# expect: held oom
# Fork first, write after: pages that were counted once become many.
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
