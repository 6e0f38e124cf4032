# expect: held
# The program sets its user ids to root and to other users, by each system call for that.
# layers: seccomp ids
for name, arguments in (("setuid", (0,)), ("setreuid", (0, 0)), ("setresuid", (0, 0, 0)), ("setreuid", (-1, 0)), ("setuid", (65534,)), ("setresuid", (-1, 1, -1))):
    refused(f"{name} {arguments}", lambda: syscall(name, *arguments), errno.EPERM, errno.EINVAL)
syscall("setfsuid", 0)
(held if of_status("Uid").split() == ["1000"] * 4 else escaped)(f"uids {of_status('Uid')}")
