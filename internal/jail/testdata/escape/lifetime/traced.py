# expect: held timeout
# The program traces its children and tries to trace the init. A traced process reports its end to its tracer first. If tracing is denied,
# no process is traced.
# layers: init seccomp
# limits: wall=1s
for i in range(3):
    pid = os.fork()
    if pid == 0:
        libc.ptrace(0, 0, 0, 0)  # PTRACE_TRACEME
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    libc.ptrace(0x4206, pid, 0, 0)  # PTRACE_SEIZE
libc.ptrace(0x4206, 1, 0, 0)
open("/tmp/acted", "w").close()
time.sleep(60)
