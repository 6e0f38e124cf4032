# expect: held
# The program creates memory that is locked and removed from the kernel's direct map.
# layers: seccomp
refused("memfd_secret", lambda: syscall("memfd_secret", 0))
