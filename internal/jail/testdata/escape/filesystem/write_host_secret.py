# expect: held
# The program truncates and removes the host's file, and creates one beside it. The test also checks the file from outside.
# layers: mounts attributes
for path in hosts(SECRET_FILE):
    refused(f"open {path}", lambda: os.open(path, os.O_WRONLY | os.O_TRUNC), errno.ENOENT, errno.EROFS, errno.EACCES)
    refused(f"unlink {path}", lambda: os.unlink(path), errno.ENOENT, errno.EROFS, errno.EACCES)
    refused(f"create beside {path}", lambda: os.open(path + "x", os.O_CREAT | os.O_WRONLY), errno.ENOENT, errno.EROFS, errno.EACCES)
