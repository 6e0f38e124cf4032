# expect: held
# Groups added, and groups dropped, which takes away what a group is denied (CVE-2014-8989).
# layers: seccomp credentials
for groups in ([], [0], [1000], [65534]):
    refused(f"setgroups {groups}", lambda: syscall("setgroups", len(groups), (ctypes.c_uint * max(1, len(groups)))(*groups)), errno.EPERM, errno.EINVAL)
