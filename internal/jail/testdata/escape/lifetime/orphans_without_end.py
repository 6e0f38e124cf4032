# expect: held timeout
# The program creates orphans faster than the init can wait for them, so that the init is always busy.
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
