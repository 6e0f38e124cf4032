# expect: held timeout
# Process 1 loses its first thread: what is left has no state to wait for, and cgroup.kill passes by.
# layers: daemon
# limits: wall=1s
import threading
threading.Thread(target=time.sleep, args=(1000,)).start()
syscall("exit", 0)
