# expect: held
# The program sets an extended attribute of the class user in the scratch space. Such attributes take kernel memory that the size limit of
# the scratch space does not count.
# layers: seccomp
open("/tmp/x", "w").close()
_, number = syscall("setxattr", b"/tmp/x", b"user.x", b"y", 1, 0)
if number == errno.ENOTSUP:
    absent("tmpfs has none before Linux 6.6")
(held if number in (errno.EPERM, errno.ENOTSUP) else escaped)(f"user.x: {name_of(number)}")
