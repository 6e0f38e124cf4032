# expect: held
# The program opens a read-only file again for writing, through its descriptor in /proc, and changes its mode and times there.
# layers: attributes
for path in ("/usr/bin/env", "/etc/passwd", "/sandbox/sitecustomize.pyc", "/dev/null"):
    fd = os.open(path, os.O_RDONLY)
    if path != "/dev/null":
        refused(f"{path} for writing", lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDWR), errno.EROFS, errno.EACCES)
    refused(f"fchmod {path}", lambda: os.chmod(f"/proc/self/fd/{fd}", 0o777), errno.EROFS, errno.EPERM)
    refused(f"utime {path}", lambda: os.utime(f"/proc/self/fd/{fd}"), errno.EROFS, errno.EPERM)
    at = os.open(path, os.O_PATH)
    if path != "/dev/null":
        refused(f"{path} by O_PATH", lambda: os.open(f"/proc/self/fd/{at}", os.O_WRONLY), errno.EROFS, errno.EACCES)
