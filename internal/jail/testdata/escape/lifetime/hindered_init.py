# expect: held timeout
# The init gets as little as the program's user may leave it: of time, of memory, of files. Its own limit of CPU time ends
# it, and all with it.
# layers: init daemon
# limits: wall=1s
attempt(lambda: os.setpriority(os.PRIO_PROCESS, 1, 19))
attempt(lambda: os.sched_setscheduler(1, 5, os.sched_param(0)))  # SCHED_IDLE
attempt(lambda: os.sched_setaffinity(1, {0}))
for resource in set(range(16)) - {0}:
    attempt(lambda: syscall("prlimit64", 1, resource, struct.pack("QQ", 0, 0), 0))
open("/tmp/acted", "w").close()
while True: pass
