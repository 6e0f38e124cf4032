# expect: held
# The program creates a user and a mount namespace, where it could mount overlayfs and get setuid files out of it (CVE-2021-3493,
# CVE-2023-0386).
# layers: seccomp user-ns
def mount():
    refused("unshare", lambda: syscall("unshare", 0x10020000), errno.EPERM, errno.ENOSPC)
    os.makedirs("/tmp/o/u"), os.makedirs("/tmp/o/w"), os.makedirs("/tmp/o/m")
    attempt(lambda: syscall("mount", b"overlay", b"/tmp/o/m", b"overlay", 0, b"lowerdir=/usr,upperdir=/tmp/o/u,workdir=/tmp/o/w"))
child(mount) == 0 or unclear("the child failed")
