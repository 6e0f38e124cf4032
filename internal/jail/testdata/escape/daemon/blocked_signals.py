# expect: held timeout
# The program blocks all signals in each of its six threads, instead of ignoring them, and waits. The timeout must end it.
# layers: daemon
# limits: wall=1s
import threading
signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
for i in range(5): threading.Thread(target=signal.pause).start()
signal.pause()
