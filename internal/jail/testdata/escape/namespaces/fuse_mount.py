# expect: held
# The program opens /dev/fuse, to mount a file system that it serves itself. A read from it can block in the kernel without end.
# layers: mounts attributes
for path in hosts("/dev/fuse"):
    refused(path, lambda: os.open(path, os.O_RDWR), errno.ENOENT, errno.EACCES)
