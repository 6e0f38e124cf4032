# expect: held
# The program makes a sparse file of 1 TiB, which could stop programs that copy or hash it.
# layers: rlimits
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
f = open("/tmp/x", "wb", buffering=0)
refused("ftruncate", lambda: os.ftruncate(f.fileno(), 1 << 40), errno.EFBIG)
refused("pwrite", lambda: os.pwrite(f.fileno(), b"x", 1 << 40), errno.EFBIG)
f.seek(1 << 40)
refused("write", lambda: f.write(b"x"), errno.EFBIG)
if os.stat("/tmp/x").st_size > 64 << 20:
    escaped("the file is %d bytes long" % os.stat("/tmp/x").st_size)
