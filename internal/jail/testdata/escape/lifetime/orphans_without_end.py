# expect: held timeout
# Orphans faster than they can be waited for, so that the init is always busy with them.
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
