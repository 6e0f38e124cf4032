# expect: held
# Memory that is locked and taken out of the kernel's map.
# layers: seccomp
refused("memfd_secret", lambda: syscall("memfd_secret", 0))
