# expect: held
# The program gives a file to root, to another user or to another group.
# layers: ids
open("/tmp/x", "w").close()
for uid, gid in ((0, 0), (0, -1), (-1, 0), (65534, 65534), (1001, 1001)):
    refused(f"chown {uid} {gid}", lambda: os.chown("/tmp/x", uid, gid), errno.EPERM, errno.EINVAL)
