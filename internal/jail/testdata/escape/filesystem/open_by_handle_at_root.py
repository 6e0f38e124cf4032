# expect: held
# The program opens the root directory of the host's file system by its handle: inode 2 of ext4, 128 of xfs, 256 of btrfs.
# layers: seccomp ids
fd = os.open("/usr", os.O_RDONLY)
for inode in (2, 128, 256):
    for kind in (1, 2, 0x81):
        handle = struct.pack("IiII", 8, kind, inode, 0)
        refused(f"handle of inode {inode}", lambda: syscall("open_by_handle_at", fd, handle, os.O_RDONLY | os.O_DIRECTORY), *DENIED, errno.ESTALE)
