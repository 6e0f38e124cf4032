# expect: held
# The limit of no further user namespaces, raised.
# layers: attributes
for path in hosts("/proc/sys/user/max_user_namespaces"):
    refused(f"write {path}", lambda: open(path, "w").write("100"), errno.ENOENT, errno.EROFS, errno.EACCES)
