# expect: held
# A subreaper (prctl) adopts orphans, and processes clear their parent death signal, to outlive the daemon.
# layers: seccomp
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
refused("PR_SET_PDEATHSIG", lambda: syscall("prctl", PR_SET_PDEATHSIG, 0, 0, 0, 0))
refused("PR_SET_CHILD_SUBREAPER", lambda: syscall("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
