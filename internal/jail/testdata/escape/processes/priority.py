# expect: held
# The program sets a higher priority than other processes: nice, real time, deadline, I/O.
# layers: ids
refused("nice -20", lambda: syscall("setpriority", 0, 0, -20))
refused("SCHED_FIFO", lambda: syscall("sched_setscheduler", 0, 1, struct.pack("i", 50)))
deadline = struct.pack("IIQiIQQQ", 48, 6, 0, 0, 0, 10_000_000, 20_000_000, 20_000_000)
refused("SCHED_DEADLINE", lambda: syscall("sched_setattr", 0, deadline, 0))
refused("ioprio real-time", lambda: syscall("ioprio_set", 1, 0, 1 << 13))
