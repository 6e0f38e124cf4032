# expect: held timeout
# All threads of eight processes ignore and block every signal that they can.
# layers: init daemon
# limits: wall=1s
import threading
for number in set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
for i in range(3): os.fork()
for i in range(3): threading.Thread(target=time.sleep, args=(60,)).start()
open("/tmp/acted", "w").close()
time.sleep(60)
