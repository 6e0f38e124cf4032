# expect: held
# The program creates a network interface.
# layers: mounts attributes
for path in hosts("/dev/net/tun"):
    refused(path, lambda: os.open(path, os.O_RDWR), errno.ENOENT, errno.EACCES)
