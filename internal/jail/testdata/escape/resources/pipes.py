# expect: held exit=0,oom
# Fifteen processes fill pipes. The memory of a pipe belongs to no process. The kernel limits it for each uid (pipe-user-pages-soft).
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
# The default of pipe-user-pages-soft is 16,384 pages (64 MiB). Beyond it, each pipe has two pages.
if total > (96 << 20): escaped(f"{total} bytes in pipes")
else: held(f"{total} bytes in pipes")
