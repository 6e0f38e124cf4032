# expect: held
# netfilter's netlink socket with capabilities over a network of its own (CVE-2024-1086, CVE-2025-21756's way in).
# layers: seccomp user-ns
def enter():
    refused("unshare", lambda: syscall("unshare", 0x50000000), errno.EPERM, errno.ENOSPC)
    attempt(lambda: socket.socket(16, socket.SOCK_RAW, 12))
child(enter)
