# expect: held timeout
# Signals are blocked and not ignored, in each of many threads.
# layers: daemon
# limits: wall=1s
import threading
signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
for i in range(5): threading.Thread(target=signal.pause).start()
signal.pause()
