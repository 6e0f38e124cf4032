# expect: held timeout
# The code of the program ends but the interpreter does not, because of exit handlers, a finalizer and a thread that do not end. The timeout
# must end it.
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
