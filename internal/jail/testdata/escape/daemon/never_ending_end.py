# expect: held timeout
# The program has ended but the interpreter has not, because of exit handlers, finalizers, and a thread that does not end.
# layers: daemon
# limits: wall=1s
import atexit, threading
class Last:
    def __del__(self):
        while True: pass
last = Last()
def again():
    atexit.register(again)
    while True: time.sleep(0.01)
atexit.register(again)
threading.Thread(target=time.sleep, args=(3600,)).start()
