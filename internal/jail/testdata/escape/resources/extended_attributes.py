# expect: held
# Extended attributes on a tmpfs are kernel memory that its size limit does not count (Linux 6.6).
# layers: seccomp
refused("setxattr", lambda: syscall("setxattr", b"/tmp", b"user.x", b"y" * 60000, 60000, 0), *DENIED, errno.ENOTSUP)  # ENOTSUP is the filter's word, too
