# expect: held
# The program opens netfilter's netlink socket with capabilities over a new network namespace, as exploits of CVE-2024-1086 and
# CVE-2025-21756 do.
# layers: seccomp user-ns
def enter():
    refused("unshare", lambda: syscall("unshare", 0x50000000), errno.EPERM, errno.ENOSPC)
    attempt(lambda: socket.socket(16, socket.SOCK_RAW, 12))
child(enter)
