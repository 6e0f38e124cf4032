# expect: held timeout,oom
# A lock on every second byte: each is an object of the kernel's, in a list that every further one walks.
# layers: daemon cgroup
# limits: wall=2s memory=64MiB
import fcntl
f = open("/tmp/x", "w+b")
for i in range(10 ** 9): fcntl.lockf(f, fcntl.LOCK_EX, 1, 2 * i)
