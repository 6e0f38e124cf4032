# expect: held
# The program creates an unnamed file (O_TMPFILE) in a read-only directory, and links it to a name.
# layers: attributes
for directory in ("/", "/usr", "/usr/bin", "/etc", "/sandbox", "/home"):
    refused(directory, lambda: os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o644), errno.EROFS, errno.EACCES, errno.EOPNOTSUPP)
fd = os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o644)
for to in ("/usr/bin/mine", "/etc/mine", "/sandbox/mine"):
    refused(f"link to {to}", lambda: os.link(f"/proc/self/fd/{fd}", to, follow_symlinks=True), errno.EXDEV, errno.EROFS, errno.EPERM, errno.ENOENT, errno.EACCES)
