# expect: held timeout
# The program and its children become subreapers, which take the orphans of their descendants instead of the init.
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
