# expect: held
# The program traces a process of the host.
# layers: seccomp pid-ns
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
for pid in (HOST_PID, DAEMON_PID):
    unreachable(f"attach {pid}", lambda: syscall("ptrace", PTRACE_ATTACH, pid, 0, 0), errno.ESRCH)
    unreachable(f"seize {pid}", lambda: syscall("ptrace", PTRACE_SEIZE, pid, 0, 0), errno.ESRCH)
