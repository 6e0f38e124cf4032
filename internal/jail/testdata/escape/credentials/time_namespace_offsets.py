# expect: held
# The program changes the offset of the monotonic clock in its time namespace, and in that of the init.
# layers: attributes ids
for path in ("/proc/self/timens_offsets", "/proc/1/timens_offsets"):
    refused(path, lambda: open(path, "w").write("monotonic 1000 0"), errno.EROFS, errno.EACCES, errno.ENOENT)
