# expect: held timeout
# The program has children that stop themselves, and stops itself.
# layers: init daemon
# limits: wall=1s
for i in range(5):
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
open("/tmp/acted", "w").close()
os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(60)
