# expect: held
# The program opens a POSIX message queue. Queues take kernel memory and send notifications (CVE-2017-11176).
# layers: seccomp rlimits
refused("mq_open", lambda: syscall("mq_open", b"sandboxd-escape", os.O_CREAT | os.O_RDWR, 0o600, None), *DENIED, errno.EMFILE)
syscall("mq_unlink", b"sandboxd-escape")
