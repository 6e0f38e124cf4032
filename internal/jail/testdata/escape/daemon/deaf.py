# expect: held timeout
# The program ignores all signals that can be ignored, and its handler of SIGXCPU never returns. The timeout must end it.
# layers: daemon
# limits: wall=1s
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)
def forever(*_):
    while True: pass
signal.signal(signal.SIGXCPU, forever)
while True: pass
