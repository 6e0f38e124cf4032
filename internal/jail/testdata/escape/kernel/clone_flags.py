# expect: held
# The program calls clone with each flag alone and with several together. No call may create a namespace.
# layers: seccomp
NEW = {7, 17, 25, 26, 27, 28, 29, 30}
UNSAFE = {8, 11, 16, 19, 20, 21, 24}  # the child would share memory or be a thread without a stack of its own, or the other arguments would be used as addresses
for bit in set(range(7, 40)) - UNSAFE:
    pid, number = syscall("clone", 1 << bit | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    if bit in NEW and number not in DENIED + (errno.EINVAL,):
        escaped(f"clone with bit {bit}: {pid} {name_of(number)}")
for flags in (0x7e020000 | signal.SIGCHLD, 0xffffffff & ~0x1290900, 0x7e020000 | 1 << 32):
    pid, number = syscall("clone", flags, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    (held if number in DENIED else escaped)(f"clone {flags:#x}: {name_of(number)}")
