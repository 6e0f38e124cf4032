# expect: held timeout
# The first thread of process 1 exits and another thread goes on. The process does not end for waitpid, and cgroup.kill does not kill it.
# layers: daemon
# limits: wall=1s
import threading
threading.Thread(target=time.sleep, args=(1000,)).start()
syscall("exit", 0)
