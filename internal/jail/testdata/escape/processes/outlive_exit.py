# expect: held
# The program leaves a daemon process: two forks, its own session, every signal ignored, no descriptor. The test checks from outside that it
# has ended.
# layers: pid-ns
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    for s in range(1, 65):
        try:
            signal.signal(s, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    os.write(w, b"x")
    os.closerange(0, 256)
    while True:
        time.sleep(1000)
os.read(r, 1)
held("left one behind")
