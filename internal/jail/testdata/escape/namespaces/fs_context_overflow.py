# expect: held
# The program opens a file system context, whose parameters can overflow in old kernels (CVE-2022-0185).
# layers: seccomp credentials
fs, number = syscall("fsopen", b"cgroup2", 0)
(held if number in DENIED else escaped)(f"fsopen: {name_of(number)}")
fs, number = syscall("fsopen", b"tmpfs", 0)
(held if number in DENIED else escaped)(f"fsopen: {name_of(number)}")
