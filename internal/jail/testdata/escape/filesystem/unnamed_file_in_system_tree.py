# expect: held
# The program creates unnamed files (O_TMPFILE) in read-only directories, and links one of /tmp to names in the system tree.
# layers: attributes
for directory in ("/", "/usr", "/usr/bin", "/etc", "/sandbox", "/home"):
    refused(directory, lambda: os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o644), errno.EROFS, errno.EACCES, errno.EOPNOTSUPP)
fd = os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o644)
for to in ("/usr/bin/mine", "/etc/mine", "/sandbox/mine"):
    refused(f"link to {to}", lambda: os.link(f"/proc/self/fd/{fd}", to, follow_symlinks=True), errno.EXDEV, errno.EROFS, errno.EPERM, errno.ENOENT, errno.EACCES)
