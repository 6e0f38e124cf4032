# expect: held
# The program attaches System V shared memory of the host that every user may use.
# layers: seccomp ipc-ns
shm, number = syscall("shmget", SYSV_KEY, 1, 0)
if number:
    held(f"shmget: {name_of(number)}")
else:
    at, number = syscall("shmat", shm, None, 0o10000)
    (escaped if number == 0 and leaks(ctypes.string_at(at, 100)) else held)("the host's segment")
