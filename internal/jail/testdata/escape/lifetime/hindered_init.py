# expect: held timeout
# The program lowers the priority of the init and sets each of its resource limits to 0, as far as its user may. It does not set RLIMIT_CPU:
# an init that reaches it ends, and all processes of the jail with it.
# layers: init daemon
# limits: wall=1s
attempt(lambda: os.setpriority(os.PRIO_PROCESS, 1, 19))
attempt(lambda: os.sched_setscheduler(1, 5, os.sched_param(0)))  # SCHED_IDLE
attempt(lambda: os.sched_setaffinity(1, {0}))
for resource in set(range(16)) - {0}:
    attempt(lambda: syscall("prlimit64", 1, resource, struct.pack("QQ", 0, 0), 0))
open("/tmp/acted", "w").close()
while True: pass
