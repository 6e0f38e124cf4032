# expect: held
# The program calls sync(2) and syncfs(2), which make the disks busy for all processes of the host.
# layers: seccomp
result, number = syscall("sync")
(held if number in DENIED else escaped)(f"sync: {name_of(number)}")
fd = os.open("/usr/bin/env", os.O_RDONLY)
unreachable("syncfs", lambda: syscall("syncfs", fd))
