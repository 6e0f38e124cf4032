# expect: held
# The program opens a POSIX message queue, whose messages take kernel memory.
# layers: seccomp rlimits
refused("mq_open", lambda: syscall("mq_open", b"x", 0o102, 0o600, 0), *DENIED, errno.EMFILE)  # EMFILE: RLIMIT_MSGQUEUE
