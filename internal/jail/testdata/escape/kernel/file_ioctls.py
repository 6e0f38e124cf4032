# expect: held
# The program tries ioctls of file systems and disks: attributes, shared blocks, freezing, signals, and requests of single file systems.
# layers: seccomp
fd = os.open("/usr/bin/env", os.O_RDONLY)
own = os.open("/tmp/x", os.O_CREAT | os.O_RDWR)
for name, request in (("FS_IOC_GETFLAGS", 0x80086601), ("FS_IOC_SETFLAGS", 0x40086602), ("FS_IOC_FSGETXATTR", 0x801c581f), ("FICLONERANGE", 0x4020940d),
                      ("FIDEDUPERANGE", 0xc0189436), ("FIFREEZE", 0xc0045877), ("FITRIM", 0xc0185879), ("FIBMAP", 1), ("FS_IOC_FIEMAP", 0xc020660b),
                      ("FIOASYNC", 0x5452), ("BLKGETSIZE64", 0x80081272), ("FS_IOC_GETFSUUID", 0x80111500), ("FS_IOC_ENABLE_VERITY", 0x40806685),
                      ("BTRFS_IOC_TREE_SEARCH", 0xd0009411)):
    unreachable(name, lambda: syscall("ioctl", fd, request, ctypes.create_string_buffer(4096)))
    unreachable(name, lambda: syscall("ioctl", own, request, ctypes.create_string_buffer(4096)))
