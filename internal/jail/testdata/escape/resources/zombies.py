# expect: held
# The program does not wait for its children, which keep their process ids.
# layers: cgroup rlimits
# limits: pids=20
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
n = 1
try:
    while n < 1000:
        if os.fork() == 0: os._exit(0)
        n += 1
    escaped(f"{n} zombies")
except OSError as e:
    held(f"{name_of(e.errno)} after {n}")
if n > 20: escaped(f"{n} of 20")
