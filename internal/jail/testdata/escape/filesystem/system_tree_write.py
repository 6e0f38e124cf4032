# expect: held
# The program changes files and directories of the system tree, by each kind of call that changes one: write, create, remove, rename, mode,
# times.
# layers: attributes
EROFS = (errno.EROFS,)
for path in ("/usr/bin/env", "/etc/passwd", "/etc/hosts", "/sandbox/sitecustomize.pyc"):
    refused(f"open {path}", lambda: os.open(path, os.O_WRONLY), *EROFS, errno.EACCES)
    refused(f"chmod {path}", lambda: os.chmod(path, 0o777), *EROFS)
    refused(f"utime {path}", lambda: os.utime(path), *EROFS)
    refused(f"rename {path}", lambda: os.rename(path, path + "x"), *EROFS, errno.EXDEV, errno.EACCES, errno.EBUSY)
    refused(f"unlink {path}", lambda: os.unlink(path), *EROFS, errno.EBUSY, errno.EACCES)
for path in ("/", "/usr", "/usr/lib", "/etc", "/dev", "/home", "/sandbox"):
    refused(f"create in {path}", lambda: os.open(path + "/new", os.O_CREAT | os.O_WRONLY), *EROFS)
    refused(f"mkdir in {path}", lambda: os.mkdir(path + "/new"), *EROFS)
    refused(f"rmdir {path}", lambda: os.rmdir(path), *EROFS, errno.EBUSY, errno.ENOTEMPTY, errno.EACCES)
