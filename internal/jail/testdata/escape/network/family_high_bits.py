# expect: held
# The program creates a netlink socket with bits set in the upper half of the register for the family. The kernel uses the lower half only.
# layers: seccomp
for high in (1 << 32, 0xffffffff << 32, 1 << 63):
    number = attempt(lambda: syscall("socket", high | 16, 3, 0))[1]
    (held if number in DENIED + (errno.EAFNOSUPPORT, errno.ENOTSUP) else escaped)(f"AF_NETLINK: {name_of(number)}")
