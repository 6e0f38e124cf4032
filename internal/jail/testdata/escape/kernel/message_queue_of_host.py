# expect: held
# The program opens System V message queues of the host. Their messages are part of many exploits, such as that of CVE-2021-22555.
# layers: seccomp ipc-ns
unreachable("msgget", lambda: syscall("msgget", SYSV_KEY, 0), errno.ENOENT)
refused("msgsnd", lambda: syscall("msgsnd", SYSV_QUEUE, struct.pack("l", 1) + b"x", 1, 0o4000), *DENIED, errno.EINVAL, errno.EIDRM)
