# expect: held
# The program creates System V objects. Exploits use the kernel memory of such objects.
# layers: seccomp
IPC_RMID = 0
for name, arguments, end in (("msgget", (0, 0o1600), "msgctl"), ("semget", (0, 10, 0o1600), "semctl"), ("shmget", (0, 4096, 0o1600), "shmctl")):
    made, number = syscall(name, *arguments)
    (held if number in DENIED else escaped)(f"{name}: {name_of(number)}")
    if number == 0:  # without an ipc namespace it is an object of the host
        syscall(end, made, *((0, IPC_RMID) if name == "semget" else (IPC_RMID, 0)))
