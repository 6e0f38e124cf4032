# expect: held
# The program opens the host's namespaces by their file handles, for which no mount is needed (Linux 6.18). The initial namespaces have the
# numbers 1 to 8, and known inodes.
# layers: seccomp ids
FD_NSFS_ROOT, FILEID_NSFS = -10003, 0xf1
inodes = {0x04000000: 0xeffffffe, 0x08000000: 0xefffffff, 0x10000000: 0xeffffffd, 0x20000000: 0xeffffffc, 0x02000000: 0xeffffffb}
own = {os.stat(f"/proc/self/ns/{kind}").st_ino for kind in os.listdir("/proc/self/ns")}
for number_ in range(1, 9):
    for kind, inode in inodes.items():
        for k, i in ((kind, inode), (0, 0)):
            handle = struct.pack("IiQII", 16, FILEID_NSFS, number_, k, i)
            fd, number = syscall("open_by_handle_at", FD_NSFS_ROOT, handle, os.O_RDONLY)
            if number == 0 and os.fstat(fd).st_ino not in own:
                escaped(f"namespace {number_} of the host: inode {os.fstat(fd).st_ino:#x}")
held("no namespace of the host")
