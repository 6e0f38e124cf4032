# expect: held
# The program drops a capability from its bounding set, which needs CAP_SETPCAP, and looks for capabilities in the set: execve could give
# them to it. (Reading the set is allowed: libcap counts the capabilities in this way.)
# layers: credentials
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
refused("PR_CAPBSET_DROP", lambda: syscall("prctl", PR_CAPBSET_DROP, 40, 0, 0, 0))
bounds = [c for c in range(41) if syscall("prctl", PR_CAPBSET_READ, c, 0, 0, 0)[0] == 1]
(escaped if bounds else held)(f"bounding set {bounds}")
