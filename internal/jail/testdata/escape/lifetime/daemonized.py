# expect: held timeout
# The program starts a daemon process by fork, setsid, fork, and closing all descriptors. The wall clock ends the program.
# layers: init pid-ns
# limits: wall=1s
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 256)
        open("/tmp/acted", "w").close()
        while True: time.sleep(1)
    os._exit(0)
time.sleep(60)
