# expect: held
# The program adds groups, or drops groups, which removes restrictions on a group (CVE-2014-8989).
# layers: seccomp credentials
for groups in ([], [0], [1000], [65534]):
    refused(f"setgroups {groups}", lambda: syscall("setgroups", len(groups), (ctypes.c_uint * max(1, len(groups)))(*groups)), errno.EPERM, errno.EINVAL)
