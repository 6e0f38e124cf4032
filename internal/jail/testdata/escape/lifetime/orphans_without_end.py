# expect: held timeout
# Orphans faster than anybody can wait for them: the init is busy with them all the time.
# layers: init
# limits: wall=1s
open("/tmp/acted", "w").close()
while True:
    try:
        if os.fork() == 0:
            os.fork() or os.fork()
            os._exit(0)
        os.wait()
    except OSError:
        pass
