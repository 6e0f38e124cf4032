# expect: held
# A child asks its parent to trace it (PTRACE_TRACEME). Before Linux 4.8, a tracer could change a system call after the filter had checked
# it.
# layers: seccomp
PTRACE_TRACEME = 0
def trace():
    result, number = syscall("ptrace", PTRACE_TRACEME, 0, 0, 0)
    (held if number in DENIED else escaped)(f"PTRACE_TRACEME: {name_of(number)}")
child(trace)
