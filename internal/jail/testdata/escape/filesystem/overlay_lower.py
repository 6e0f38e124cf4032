# expect: held
# The program lists the host's directories below the overlays of the system tree, by the names in the mount table, and the host's /var/tmp.
# layers: mounts
for line in open("/proc/self/mountinfo"):
    for option in line.split()[-1].split(","):
        if option.startswith(("lowerdir", "upperdir", "workdir")):
            for path in option.split("=", 1)[1].split(":"):
                refused(path, lambda: os.listdir(path), errno.ENOENT, errno.ENOTDIR, errno.EACCES)
for path in hosts("/var/tmp"):
    refused(path, lambda: os.listdir(path), errno.ENOENT, errno.EACCES)
