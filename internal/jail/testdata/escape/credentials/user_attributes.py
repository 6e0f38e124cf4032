# expect: held
# The program sets extended attributes of the class user in the scratch space. They take kernel memory that its size limit does not count.
# layers: seccomp
open("/tmp/x", "w").close()
_, number = syscall("setxattr", b"/tmp/x", b"user.x", b"y", 1, 0)
if number == errno.ENOTSUP:
    absent("tmpfs has none before Linux 6.6")
(held if number in (errno.EPERM, errno.ENOTSUP) else escaped)(f"user.x: {name_of(number)}")
