# expect: held
# Processes that fork without end while the first one ends. Without a limit on their number, memory may run out first.
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
