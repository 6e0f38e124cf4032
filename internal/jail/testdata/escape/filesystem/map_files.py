# expect: held
# The program opens mapped files by the links in /proc/self/map_files, which lead to the file itself and not to its name.
# layers: attributes ids
names = os.listdir("/proc/self/map_files")
for name in names[:20]:
    refused(f"map_files/{name}", lambda: os.open(f"/proc/self/map_files/{name}", os.O_RDWR), errno.EPERM, errno.EROFS, errno.EACCES)
held(f"{len(names)} files")
