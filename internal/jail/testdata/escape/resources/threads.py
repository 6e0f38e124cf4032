# expect: held
# The program starts threads until it fails. The process limit must count them too.
# layers: cgroup rlimits
# limits: pids=20
import threading
n = 1
try:
    while n < 1000:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        n += 1
    escaped(f"{n} threads")
except RuntimeError as e:
    held(f"{e} after {n}")
if n > 20: escaped(f"{n} threads of 20")
os._exit(0)
