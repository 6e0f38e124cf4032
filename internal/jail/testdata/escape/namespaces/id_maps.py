# expect: held
# The program writes other id maps, to become root in the jail or root of the host. Its map of uids must still have one line.
# layers: attributes ids
for name, text in (("uid_map", "0 0 1"), ("gid_map", "0 0 1"), ("setgroups", "allow"), ("projid_map", "0 0 1")):
    refused(f"write {name}", lambda: open(f"/proc/self/{name}", "w").write(text), errno.EROFS, errno.EACCES, errno.EPERM)
(held if len(open("/proc/self/uid_map").read().split()) == 3 else escaped)("one line of uids")
