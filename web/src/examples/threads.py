# Threads work as they do elsewhere.
from concurrent.futures import ThreadPoolExecutor
import time


def work(n):
    time.sleep(0.2)
    return n * n


begin = time.perf_counter()
with ThreadPoolExecutor(max_workers=8) as pool:
    for n, square in enumerate(pool.map(work, range(8))):
        print(n, square)
print(f"8 tasks of 0.2 s took {time.perf_counter() - begin:.1f} s")
