# expect: held timeout
# Processes with much memory in many pieces, which the kernel needs a long time to free.
# layers: init daemon
# limits: wall=1s
import mmap
pieces = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE)
for at in range(0, len(pieces), 8192): pieces[at] = 1
for i in range(4): os.fork()
open("/tmp/acted", "w").close()
while True: time.sleep(1)
