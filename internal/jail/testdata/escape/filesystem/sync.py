# expect: held
# sync(2) makes the disks busy for everybody.
# layers: seccomp
result, number = syscall("sync")
(held if number in DENIED else escaped)(f"sync: {name_of(number)}")
fd = os.open("/usr/bin/env", os.O_RDONLY)
unreachable("syncfs", lambda: syscall("syncfs", fd))
