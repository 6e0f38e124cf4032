# expect: held
# A file system served by the program: reads that block in the kernel for ever.
# layers: mounts attributes
for path in hosts("/dev/fuse"):
    refused(path, lambda: os.open(path, os.O_RDWR), errno.ENOENT, errno.EACCES)
