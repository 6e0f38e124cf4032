# expect: held
# The program makes denied calls with bits set in the upper half of the register for the number. The kernel uses the lower half only.
# layers: seccomp
for high in (1 << 32, 1 << 63, 0xffffffff << 32):
    for name in ("unshare", "keyctl", "io_uring_setup", "personality"):
        number_ = NR[name] | high
        _, number = syscall(number_ if number_ < 1 << 63 else number_ - (1 << 64), 0, 0, 0, 0, 0)
        (held if number in DENIED else escaped)(f"{name} | {high:#x}: {name_of(number)}")
