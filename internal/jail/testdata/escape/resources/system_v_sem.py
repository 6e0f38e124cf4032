# expect: held
# Arrays of semaphores, and undo lists (CVE-2021-22555 sprayed with their like).
# layers: seccomp
refused("semget", lambda: syscall("semget", 0, 32000, 0o1600))
