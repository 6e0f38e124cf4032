# expect: held timeout
# Three processes wait in vfork for children that never end. During the wait they do not react to signals other than SIGKILL.
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
