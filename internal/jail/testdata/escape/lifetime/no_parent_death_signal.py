# expect: held timeout
# Each of eight processes clears its parent death signal, if it has any.
# layers: init
# limits: wall=1s
for i in range(3):
    os.fork()
libc.prctl(1, 0)  # PR_SET_PDEATHSIG
open("/tmp/acted", "w").close()
while True: time.sleep(1)
