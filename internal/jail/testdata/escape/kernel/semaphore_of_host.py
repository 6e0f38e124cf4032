# expect: held
# The program opens a System V semaphore of the host by its key, and sets it by its id.
# layers: seccomp ipc-ns
unreachable("semget", lambda: syscall("semget", SYSV_KEY, 1, 0), errno.ENOENT)
for id in (SYSV_SEM, 0):
    refused("semctl", lambda: syscall("semctl", id, 0, 16, 99), *DENIED, errno.EINVAL, errno.EIDRM)
