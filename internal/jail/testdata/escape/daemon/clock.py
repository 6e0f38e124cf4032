# expect: held
# The program sets the host's clock and its error estimate, by each system call that sets a clock. This could disturb the timeouts of runs.
# layers: seccomp credentials
now = struct.pack("qq", int(time.time()), 0)
error = struct.pack("I", 4) + bytes(252)  # ADJ_MAXERROR
for call, args in (("settimeofday", (now, 0)), ("clock_settime", (0, now)), ("adjtimex", (error,)), ("clock_adjtime", (0, error))):
    refused(call, lambda: syscall(call, *args))
