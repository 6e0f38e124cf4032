# expect: held
# The program clears its parent death signal and becomes a subreaper, which adopts orphans, to outlive the daemon.
# layers: seccomp
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
refused("PR_SET_PDEATHSIG", lambda: syscall("prctl", PR_SET_PDEATHSIG, 0, 0, 0, 0))
refused("PR_SET_CHILD_SUBREAPER", lambda: syscall("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
