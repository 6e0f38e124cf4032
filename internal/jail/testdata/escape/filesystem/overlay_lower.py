# expect: held
# The directories of the host that the system tree is made of, by the names that the mount table gives them.
# layers: mounts
for line in open("/proc/self/mountinfo"):
    for option in line.split()[-1].split(","):
        if option.startswith(("lowerdir", "upperdir", "workdir")):
            for path in option.split("=", 1)[1].split(":"):
                refused(path, lambda: os.listdir(path), errno.ENOENT, errno.ENOTDIR, errno.EACCES)
for path in hosts("/var/tmp"):
    refused(path, lambda: os.listdir(path), errno.ENOENT, errno.EACCES)
