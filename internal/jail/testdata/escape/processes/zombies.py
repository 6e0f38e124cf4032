# expect: held
# The program ends without waiting for its children, so that the init must wait for them.
# layers: pid-ns
n = 0
try:
    for n in range(40):
        if os.fork() == 0:
            os._exit(0)
except OSError as e:
    held(f"fork: {name_of(e.errno)}")
held(f"left {n + 1} zombies")
