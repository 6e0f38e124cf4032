# expect: held
# A network interface of the program's own making.
# layers: mounts attributes
for path in hosts("/dev/net/tun"):
    refused(path, lambda: os.open(path, os.O_RDWR), errno.ENOENT, errno.EACCES)
