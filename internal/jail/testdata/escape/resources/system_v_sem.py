# expect: held
# The program creates arrays of semaphores, and undo lists, which exploits use as a heap spray (related to CVE-2021-22555).
# layers: seccomp
refused("semget", lambda: syscall("semget", 0, 32000, 0o1600))
