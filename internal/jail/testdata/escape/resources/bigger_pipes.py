# expect: held
# A MiB for each pipe.
# layers: seccomp
import fcntl
r, w = os.pipe()
for size in (1 << 20, 1 << 30):
    refused(f"F_SETPIPE_SZ to {size}", lambda: fcntl.fcntl(w, 1031, size))
if fcntl.fcntl(w, 1032) > 65536: escaped("a pipe of %d bytes" % fcntl.fcntl(w, 1032))
