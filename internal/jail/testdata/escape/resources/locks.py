# expect: held timeout,oom
# The program locks every second byte of a file. Each lock is a kernel object in a list that every further lock must search.
# layers: daemon cgroup
# limits: wall=2s memory=64MiB
import fcntl
f = open("/tmp/x", "w+b")
for i in range(10 ** 9): fcntl.lockf(f, fcntl.LOCK_EX, 1, 2 * i)
