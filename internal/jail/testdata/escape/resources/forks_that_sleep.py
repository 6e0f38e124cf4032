# expect: held
# The program forks until it fails. It may have 20 processes, and no more.
# layers: cgroup rlimits
# limits: pids=20
n = 1
try:
    while n < 1000:
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
            os._exit(0)
        n += 1
    escaped(f"{n} processes")
except OSError as e:
    held(f"{name_of(e.errno)} after {n}")
if n > 20: escaped(f"{n} processes of 20")
