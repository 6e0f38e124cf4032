# expect: held exit=0,oom
# The program fills pipes. Their memory belongs to no process. The kernel limits it for each uid (pipe-user-pages-soft).
# layers: rlimits cgroup
# limits: memory=64MiB pids=20
total, keep = 0, []
ready = os.pipe()
for i in range(15):
    if os.fork() == 0:
        filled = 0
        for j in range(110):
            r, w = os.pipe()
            os.set_blocking(w, False)
            keep.append(r)
            try:
                while True: filled += os.write(w, bytes(65536))
            except OSError: pass
        os.write(ready[1], struct.pack("q", filled))
        signal.pause()
for i in range(15): total += struct.unpack("q", os.read(ready[0], 8))[0]
# 16,384 pages by the host's setting, and two pages for each pipe after.
if total > (96 << 20): escaped(f"{total} bytes in pipes")
else: held(f"{total} bytes in pipes")
