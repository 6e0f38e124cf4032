# expect: held
# The program raises the limit on further user namespaces.
# layers: attributes
for path in hosts("/proc/sys/user/max_user_namespaces"):
    refused(f"write {path}", lambda: open(path, "w").write("100"), errno.ENOENT, errno.EROFS, errno.EACCES)
