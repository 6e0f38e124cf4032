# expect: held timeout
# The first thread of the program exits and another one goes on. The process does not end for waitpid, and cgroup.kill does not kill it.
# layers: daemon
# limits: wall=1s
import threading
threading.Thread(target=time.sleep, args=(1000,)).start()
syscall("exit", 0)
