# expect: held
# The program attaches a System V shared memory segment of the host that every user may use, and reads the secret in it.
# layers: seccomp ipc-ns
shm, number = syscall("shmget", SYSV_KEY, 1, 0)
if number:
    held(f"shmget: {name_of(number)}")
else:
    at, number = syscall("shmat", shm, None, 0o10000)
    (escaped if number == 0 and leaks(ctypes.string_at(at, 100)) else held)("the host's segment")
