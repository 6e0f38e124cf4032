# expect: held
# The program ends while its child and all descendants of that fork without end. All of them must end with the program. Without a limit on
# processes, memory may run out first.
# weakened: oom
# layers: pid-ns cgroup
# limits: pids=30
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.write(w, b"x")
    while True:
        try: os.fork()
        except OSError: pass
os.read(r, 1)
held("they end with it")
os._exit(0)
