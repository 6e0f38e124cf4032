# expect: held
# A pipe tells its owner by a signal that somebody reads: who that is, is for the writer to say.
# layers: seccomp
import fcntl
refused("F_SETOWN", lambda: fcntl.fcntl(1, 8, 1))
refused("F_SETOWN_EX", lambda: fcntl.fcntl(1, 15, struct.pack("ii", 0, 1)))
refused("F_SETSIG", lambda: fcntl.fcntl(1, 10, 9))
