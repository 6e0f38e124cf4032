# expect: held
# The program sets extended attributes that overlayfs and other parts of the kernel trust (CVE-2023-0386, CVE-2023-2640).
# layers: seccomp ids
open("/tmp/x", "w").close()
for name in (b"trusted.overlay.opaque", b"trusted.overlay.metacopy", b"trusted.x"):
    refused(f"setxattr {name.decode()}", lambda: syscall("setxattr", b"/tmp/x", name, b"y", 1, 0), errno.EPERM, errno.ENOTSUP)
