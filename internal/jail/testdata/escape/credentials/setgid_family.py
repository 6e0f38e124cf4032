# expect: held
# The program sets its group ids to root and to another group, by each system call for that.
# layers: seccomp ids
for name, arguments in (("setgid", (0,)), ("setregid", (0, 0)), ("setresgid", (0, 0, 0)), ("setgid", (42,))):
    refused(f"{name} {arguments}", lambda: syscall(name, *arguments), errno.EPERM, errno.EINVAL)
syscall("setfsgid", 0)
(held if of_status("Gid").split() == ["1000"] * 4 else escaped)(f"gids {of_status('Gid')}")
