# expect: held timeout
# All signals that can be ignored are ignored, and the handler of SIGXCPU never returns.
# layers: daemon
# limits: wall=1s
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)
def forever(*_):
    while True: pass
signal.signal(signal.SIGXCPU, forever)
while True: pass
