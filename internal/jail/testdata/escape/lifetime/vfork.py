# expect: held timeout
# A parent waits in vfork for a child that never ends. During the wait it does not react to signals.
# layers: init
# limits: wall=1s
for i in range(3):
    if os.fork() == 0:
        pid = libc.syscall(NR["vfork"]) if ARCH == "amd64" else libc.vfork()
        if pid == 0:
            libc.usleep(200000)
            while True: libc.pause()
open("/tmp/acted", "w").close()
time.sleep(60)
