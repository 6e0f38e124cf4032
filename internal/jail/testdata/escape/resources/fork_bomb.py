# expect: held timeout
# Every process forks for as long as it can.
# layers: cgroup rlimits
# limits: wall=2s pids=20
while True:
    try:
        os.fork()
    except OSError:
        processes = sum(n.isdigit() for n in os.listdir("/proc")) - 1  # without the init
        if processes > 20: escaped(f"{processes} processes")
