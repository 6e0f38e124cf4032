# expect: held
# Messages in kernel memory, and the file system of POSIX message queues.
# layers: seccomp rlimits
refused("mq_open", lambda: syscall("mq_open", b"x", 0o102, 0o600, 0), *DENIED, errno.EMFILE)  # EMFILE: RLIMIT_MSGQUEUE
