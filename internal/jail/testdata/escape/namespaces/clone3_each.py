# expect: held
# The program creates a child in a new namespace of each kind except user, by clone3.
# layers: seccomp credentials
for flag in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x20000000, 0x40000000):
    arguments = struct.pack("11Q", flag, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
    pid, number = syscall("clone3", arguments, len(arguments))
    if pid == 0:
        os._exit(0)
    (held if number in DENIED else escaped)(f"clone3({flag:#x}): {name_of(number)}")
