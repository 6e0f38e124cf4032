# expect: held
# The program makes a hard link to a setuid program. The link would keep the old program after a security update.
# layers: kernel
for path in ("/usr/bin/su", "/usr/bin/passwd", "/usr/bin/mount"):
    for to in ("/tmp/link", "/home/sandbox/link", "/usr/bin/link-of-mine"):
        refused(f"link {path} {to}", lambda: os.link(path, to), errno.EXDEV, errno.EROFS, errno.EPERM, errno.EACCES, errno.ENOENT)
