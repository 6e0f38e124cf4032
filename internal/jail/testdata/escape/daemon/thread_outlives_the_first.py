# expect: held timeout
# The first thread of the program exits, another goes on: cgroup.kill alone does not reach it.
# layers: daemon
# limits: wall=1s
import threading
def work():
    while True: pass
threading.Thread(target=work).start()
libc.pthread_exit(None)
