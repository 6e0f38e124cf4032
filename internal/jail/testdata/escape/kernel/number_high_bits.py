# expect: held
# A refused call by its number with the upper half of the register set: the kernel takes an int.
# layers: seccomp
for high in (1 << 32, 1 << 63, 0xffffffff << 32):
    for name in ("unshare", "keyctl", "io_uring_setup", "personality"):
        number_ = NR[name] | high
        _, number = syscall(number_ if number_ < 1 << 63 else number_ - (1 << 64), 0, 0, 0, 0, 0)
        (held if number in DENIED else escaped)(f"{name} | {high:#x}: {name_of(number)}")
