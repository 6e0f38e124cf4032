# expect: held
# The program opens the device that creates network interfaces.
# layers: mounts attributes
for path in hosts("/dev/net/tun"):
    refused(path, lambda: os.open(path, os.O_RDWR), errno.ENOENT, errno.EACCES)
