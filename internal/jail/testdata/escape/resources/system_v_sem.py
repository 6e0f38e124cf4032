# expect: held
# The program creates an array of 32,000 semaphores, which takes kernel memory.
# layers: seccomp
refused("semget", lambda: syscall("semget", 0, 32000, 0o1600))
