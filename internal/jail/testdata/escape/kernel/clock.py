# expect: held
# The program sets the host's clock and the length of its tick, by each system call for that.
# layers: seccomp ids
now = struct.pack("qq", int(time.time()), 0)
refused("clock_settime", lambda: syscall("clock_settime", 0, now))
refused("settimeofday", lambda: syscall("settimeofday", now, None))
refused("adjtimex", lambda: syscall("adjtimex", struct.pack("I", 0x4000) + bytes(204)))
