# expect: held
# The program calls security modules: it adds Landlock rules, reads and sets labels, and lists the modules.
# layers: seccomp
for number_ in (444, 445, 446, 459, 460, 461):
    unreachable(f"call {number_}", lambda: syscall(number_, None, 0, 1))
unreachable("setxattr", lambda: syscall("setxattr", b"/tmp", b"security.selinux", b"x", 1, 0), errno.ENOTSUP)
