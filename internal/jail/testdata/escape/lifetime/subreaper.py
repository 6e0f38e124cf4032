# expect: held timeout
# A subreaper takes the orphans of its descendants, instead of the init.
# layers: init
# limits: wall=1s
libc.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
for i in range(3):
    if os.fork() == 0:
        libc.prctl(36, 1)
        if os.fork() == 0:
            open("/tmp/acted", "w").close()
            while True: time.sleep(1)
        os._exit(0)
while True: time.sleep(1)
