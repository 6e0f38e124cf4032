# expect: held timeout
# The program limits the CPU time, memory and files of the init as far as its user may. If the init reaches its limit of CPU time, it ends,
# and all processes with it.
# layers: init daemon
# limits: wall=1s
attempt(lambda: os.setpriority(os.PRIO_PROCESS, 1, 19))
attempt(lambda: os.sched_setscheduler(1, 5, os.sched_param(0)))  # SCHED_IDLE
attempt(lambda: os.sched_setaffinity(1, {0}))
for resource in set(range(16)) - {0}:
    attempt(lambda: syscall("prlimit64", 1, resource, struct.pack("QQ", 0, 0), 0))
open("/tmp/acted", "w").close()
while True: pass
