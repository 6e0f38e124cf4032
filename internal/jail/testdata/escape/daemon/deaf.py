# expect: held timeout
# Every signal ignored that can be, and the one that asks for a flush caught for good.
# layers: daemon
# limits: wall=1s
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)
def forever(*_):
    while True: pass
signal.signal(signal.SIGXCPU, forever)
while True: pass
