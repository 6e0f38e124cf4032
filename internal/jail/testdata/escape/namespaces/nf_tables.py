# expect: held
# The program creates a user and a network namespace. As root of them it could use nf_tables (CVE-2022-32250, CVE-2023-32233,
# CVE-2024-1086).
# layers: seccomp user-ns
def enter():
    refused("unshare", lambda: syscall("unshare", 0x50000000), errno.EPERM, errno.ENOSPC)
child(enter)
