# expect: held
# The program opens a System V message queue of the host by its key, and sends to it by its id. Such messages are part of many exploits, for
# example that of CVE-2021-22555.
# layers: seccomp ipc-ns
unreachable("msgget", lambda: syscall("msgget", SYSV_KEY, 0), errno.ENOENT)
refused("msgsnd", lambda: syscall("msgsnd", SYSV_QUEUE, struct.pack("l", 1) + b"x", 1, 0o4000), *DENIED, errno.EINVAL, errno.EIDRM)
