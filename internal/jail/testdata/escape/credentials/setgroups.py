# expect: held
# The program changes its supplementary groups. A file can deny a group what it allows everybody else, so to drop a group can also give
# access (CVE-2014-8989).
# layers: seccomp credentials
for groups in ([], [0], [1000], [65534]):
    refused(f"setgroups {groups}", lambda: syscall("setgroups", len(groups), (ctypes.c_uint * max(1, len(groups)))(*groups)), errno.EPERM, errno.EINVAL)
