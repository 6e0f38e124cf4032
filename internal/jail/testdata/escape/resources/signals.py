# expect: held
# The program leaves thousands of its signals pending. They are kernel memory, bounded for each uid (RLIMIT_SIGPENDING).
# layers: rlimits
signal.pthread_sigmask(signal.SIG_BLOCK, range(32, 65))
me = os.getpid()
for i in range(5000):
    for number in (34, 50, 64): os.kill(me, number)
waiting = int(of_status("SigQ").split("/")[0])
if waiting > 256: escaped(f"{waiting} signals wait")
else: held(f"{waiting} signals wait")
