# expect: held
# Objects of the kernel's, each with a wait queue.
# layers: seccomp
refused("eventfd2", lambda: syscall("eventfd2", 0, 0))
