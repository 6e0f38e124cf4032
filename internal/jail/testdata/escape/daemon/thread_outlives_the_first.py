# expect: held timeout
# The first thread of the program exits and another one goes on. cgroup.kill alone does not kill such a process.
# layers: daemon
# limits: wall=1s
import threading
def work():
    while True: pass
threading.Thread(target=work).start()
libc.pthread_exit(None)
