# expect: held
# The program enlarges pipes to 1 MiB. The kernel limits the size of a pipe (pipe-max-size) and the sum for each uid (pipe-user-pages-soft).
# layers: kernel
import fcntl
r, w = os.pipe()
refused("F_SETPIPE_SZ to a GiB", lambda: fcntl.fcntl(w, 1031, 1 << 30))
total = 0
for i in range(120):
    r, w = os.pipe()
    try: fcntl.fcntl(w, 1031, 1 << 20)
    except OSError: pass
    total += fcntl.fcntl(w, 1032)
# The default of pipe-user-pages-soft is 16,384 pages (64 MiB). Beyond it, each pipe keeps its first 64 KiB at most.
(held if total <= (64 << 20) + 121 * 65536 else escaped)(f"{total} bytes in 120 pipes")
