# expect: held
# The program sets the capabilities of a file by its extended attribute: in the format without the root id of a user namespace, and in the
# format with one (related to CVE-2018-18955).
# layers: seccomp ids
open("/tmp/x", "w").close()
data = struct.pack("<5I", 0x02000001, 0xffffffff, 0, 0xffffffff, 0)
data3 = struct.pack("<6I", 0x03000001, 0xffffffff, 0, 0xffffffff, 0, 1000)
for value in (data, data3):
    refused("setxattr", lambda: syscall("setxattr", b"/tmp/x", b"security.capability", value, len(value), 0), errno.EPERM, errno.ENOTSUP, errno.EINVAL)
