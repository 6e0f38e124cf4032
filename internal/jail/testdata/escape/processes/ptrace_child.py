# expect: held
# A tracer changes a system call of its child after the filter has checked it (before Linux 4.8).
# layers: seccomp
PTRACE_TRACEME = 0
def trace():
    result, number = syscall("ptrace", PTRACE_TRACEME, 0, 0, 0)
    (held if number in DENIED else escaped)(f"PTRACE_TRACEME: {name_of(number)}")
child(trace)
