# expect: held
# The program opens device nodes of the host at their usual names.
# layers: mounts attributes
for name in ("mem", "kmem", "port", "kmsg", "sda", "vda", "nvme0n1", "mapper/control", "loop-control", "loop0", "fuse", "kvm", "net/tun",
             "vhost-net", "vhost-vsock", "ptmx", "pts/0", "tty", "tty1", "console", "uinput", "input/event0", "userfaultfd", "cpu/0/msr",
             "hpet", "rtc", "snapshot", "btrfs-control", "dri/card0", "bus/usb/001/001", "vfio/vfio", "mqueue", "hugepages"):
    for path in hosts("/dev/" + name):
        refused(path, lambda: os.open(path, os.O_RDONLY | os.O_NONBLOCK), errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENXIO)
held("no device beyond the five")
