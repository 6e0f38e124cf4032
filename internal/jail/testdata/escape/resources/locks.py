# expect: held timeout,oom
# A lock on every second byte. Each lock is a kernel object in a list that every further lock has to walk.
# layers: daemon cgroup
# limits: wall=2s memory=64MiB
import fcntl
f = open("/tmp/x", "w+b")
for i in range(10 ** 9): fcntl.lockf(f, fcntl.LOCK_EX, 1, 2 * i)
