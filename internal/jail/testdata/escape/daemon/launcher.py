# expect: held
# The program changes, removes and renames the launcher, which is a file of the daemon in the jail.
# layers: mounts
for path in ("/sandbox/sitecustomize.pyc", "/sandbox/usercustomize.py", "/sandbox"):
    refused(f"write {path}", lambda: open(path, "w"), errno.EROFS, errno.EISDIR)
refused("unlink", lambda: os.unlink("/sandbox/sitecustomize.pyc"), errno.EROFS)
refused("rename", lambda: os.rename("/sandbox", "/tmp/sandbox"), errno.EROFS, errno.EXDEV)
refused("chmod", lambda: os.chmod("/sandbox", 0o777), errno.EROFS)
