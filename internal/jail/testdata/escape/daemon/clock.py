# expect: held
# The clock that ends the run, turned back.
# layers: seccomp credentials
import subprocess
now = struct.pack("qq", 0, 0)
for call, args in (("settimeofday", (now, 0)), ("clock_settime", (0, now)), ("adjtimex", (bytes(256),)), ("clock_adjtime", (0, bytes(256)))):
    refused(call, lambda: syscall(call, *args))
