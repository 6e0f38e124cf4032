# expect: held
# The program opens settings of the network stack for writing, in each /proc/sys that it can reach.
# layers: attributes
for name in ("ipv4/ip_forward", "ipv4/ping_group_range", "core/bpf_jit_harden", "core/rmem_max", "ipv4/tcp_rmem", "ipv4/ip_unprivileged_port_start"):
    for path in hosts("/proc/sys/net/" + name):
        refused(path, lambda: os.open(path, os.O_WRONLY), errno.ENOENT, errno.EACCES, errno.EROFS)
