# expect: held timeout
# The program becomes 16 processes, which share 32 MiB of memory in 8,192 separate pages. The kernel needs a long time to free them.
# layers: init daemon
# limits: wall=1s
import mmap
pieces = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE)
for at in range(0, len(pieces), 8192): pieces[at] = 1
for i in range(4): os.fork()
open("/tmp/acted", "w").close()
while True: time.sleep(1)
