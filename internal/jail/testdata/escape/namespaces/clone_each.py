# expect: held
# The program creates a child in a new namespace of each kind except user.
# layers: seccomp credentials
for name, flag in (("NEWTIME", 0x80), ("NEWNS", 0x20000), ("NEWCGROUP", 0x2000000), ("NEWUTS", 0x4000000), ("NEWIPC", 0x8000000),
                   ("NEWPID", 0x20000000), ("NEWNET", 0x40000000)):
    pid, number = syscall("clone", flag | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    # clone(2) reads the bit of NEWTIME as a part of the exit signal, so it creates no time namespace.
    expected = DENIED + ((errno.EINVAL,) if name == "NEWTIME" else ())
    (held if number in expected or pid > 0 and name == "NEWTIME" else escaped)(f"clone(CLONE_{name}): {name_of(number)}")
