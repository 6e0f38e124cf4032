# expect: held
# The program sets a higher priority than other processes: real time, deadlines, niceness, I/O.
# layers: ids
param = struct.pack("i", 1)
for policy in (1, 2, 6):
    refused(f"sched_setscheduler({policy})", lambda: syscall("sched_setscheduler", 0, policy, param), *DENIED, errno.EINVAL)
refused("sched_setattr", lambda: syscall("sched_setattr", 0, struct.pack("IIQiIQQQ", 48, 6, 0, 0, 0, 10**7, 10**7, 10**7), 0))
refused("setpriority", lambda: syscall("setpriority", 0, 0, -20))
refused("ioprio_set", lambda: syscall("ioprio_set", 1, 0, 1 << 13))
