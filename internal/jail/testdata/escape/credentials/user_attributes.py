# expect: held
# Attributes of the user's kind on the scratch space: kernel memory outside of its size.
# layers: seccomp
open("/tmp/x", "w").close()
_, number = syscall("setxattr", b"/tmp/x", b"user.x", b"y", 1, 0)
if number == errno.ENOTSUP:
    absent("tmpfs has none before Linux 6.6")
(held if number in (errno.EPERM, errno.ENOTSUP) else escaped)(f"user.x: {name_of(number)}")
