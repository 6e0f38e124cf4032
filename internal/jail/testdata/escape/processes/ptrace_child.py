# expect: held
# A child changed at the entry of its system calls, after the filter had looked at them (before Linux 4.8).
# layers: seccomp
PTRACE_TRACEME = 0
def trace():
    result, number = syscall("ptrace", PTRACE_TRACEME, 0, 0, 0)
    (held if number in DENIED else escaped)(f"PTRACE_TRACEME: {name_of(number)}")
child(trace)
