# expect: held
# The program makes a hard link to a host file. The link would keep the file after it is replaced on the host.
# layers: mounts kernel
for path in hosts(SECRET_FILE):
    for to in ("/tmp/link", "/home/sandbox/link", HOST + "/var/tmp/link"):
        refused(f"link {path} {to}", lambda: os.link(path, to), errno.ENOENT, errno.EXDEV, errno.EROFS, errno.EPERM)
