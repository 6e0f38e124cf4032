# expect: held
# A file system context, whose parameters once overflowed (CVE-2022-0185).
# layers: seccomp credentials
fs, number = syscall("fsopen", b"cgroup2", 0)
(held if number in DENIED else escaped)(f"fsopen: {name_of(number)}")
fs, number = syscall("fsopen", b"tmpfs", 0)
(held if number in DENIED else escaped)(f"fsopen: {name_of(number)}")
