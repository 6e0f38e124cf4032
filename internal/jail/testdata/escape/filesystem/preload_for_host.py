# expect: held
# The program creates files that the loader, a shell, cron, sudo or python3 of the host would use, and that contain commands, code or names
# of libraries.
# layers: attributes
for path in ("/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/profile", "/etc/cron.d/x", "/etc/sudoers.d/x", "/usr/lib/python3/dist-packages/x.pth",
             "/usr/local/bin/python3", "/usr/local/lib/x.so"):
    for way in hosts(path):
        refused(f"create {way}", lambda: os.open(way, os.O_CREAT | os.O_WRONLY), errno.EROFS, errno.ENOENT, errno.EACCES)
