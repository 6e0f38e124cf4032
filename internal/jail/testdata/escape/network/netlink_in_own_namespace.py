# expect: held
# The program creates a user and a network namespace, and opens netfilter's netlink socket with capabilities over them, as exploits of
# CVE-2024-1086 do.
# layers: seccomp user-ns
def enter():
    refused("unshare", lambda: syscall("unshare", 0x50000000), errno.EPERM, errno.ENOSPC)
    attempt(lambda: socket.socket(16, socket.SOCK_RAW, 12))
child(enter)
