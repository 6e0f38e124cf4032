# expect: held
# The program calls prctl for core dumps, memory maps, the parent death signal, timers, seccomp, speculation, core scheduling, tracing, huge
# pages and others.
# layers: seccomp
for name, arguments in (("PR_SET_DUMPABLE", (4, 1)), ("PR_SET_SECCOMP", (22, 2, 0)), ("PR_SET_MM", (35, 1, 0)), ("PR_SET_PDEATHSIG", (1, 0)),
                        ("PR_SET_TIMERSLACK", (29, 1)), ("PR_SET_SPECULATION_CTRL", (53, 0, 2)), ("PR_SCHED_CORE", (62, 1, 0, 0, 0)),
                        ("PR_SET_PTRACER", (0x59616d61, -1)), ("PR_SET_THP_DISABLE", (41, 1)), ("PR_SET_IO_FLUSHER", (57, 1)), ("PR_SET_VMA", (0x53564d41, 0)),
                        ("PR_SET_TSC", (26, 2)), ("PR_MCE_KILL", (33, 0)), ("PR_SET_UNALIGN", (6, 1)), ("PR_SET_TAGGED_ADDR_CTRL", (55, 1))):
    unreachable(name, lambda: syscall("prctl", *(arguments + (0,) * (5 - len(arguments)))))
