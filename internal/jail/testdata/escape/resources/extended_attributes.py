# expect: held
# The program sets an extended attribute of 60,000 bytes on a tmpfs, which is kernel memory that the size limit of the tmpfs does not count
# (Linux 6.6).
# layers: seccomp
refused("setxattr", lambda: syscall("setxattr", b"/tmp", b"user.x", b"y" * 60000, 60000, 0), *DENIED, errno.ENOTSUP)  # the filter answers ENOTSUP, and so does a tmpfs before Linux 6.6
