# expect: held
# The program creates files from which the loader, cron or a shell of the host would execute commands.
# layers: attributes
for path in ("/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/profile", "/etc/cron.d/x", "/etc/sudoers.d/x", "/usr/lib/python3/dist-packages/x.pth",
             "/usr/local/bin/python3", "/usr/local/lib/x.so"):
    for way in hosts(path):
        refused(f"create {way}", lambda: os.open(way, os.O_CREAT | os.O_WRONLY), errno.EROFS, errno.ENOENT, errno.EACCES)
