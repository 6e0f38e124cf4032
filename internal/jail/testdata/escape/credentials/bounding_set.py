# expect: held
# The bounding set: what is in it can be had again. (Reading it is allowed: libcap counts the capabilities so.)
# layers: credentials
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
refused("PR_CAPBSET_DROP", lambda: syscall("prctl", PR_CAPBSET_DROP, 40, 0, 0, 0))
bounds = [c for c in range(41) if syscall("prctl", PR_CAPBSET_READ, c, 0, 0, 0)[0] == 1]
(escaped if bounds else held)(f"bounding set {bounds}")
