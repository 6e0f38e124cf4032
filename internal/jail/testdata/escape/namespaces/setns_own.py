# expect: held
# The program enters its own namespaces again. Each entry resets something; for a user namespace, the capabilities.
# layers: seccomp
for kind in ("user", "uts", "ipc", "net", "cgroup"):
    fd = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)
    unreachable(f"setns {kind}", lambda: syscall("setns", fd, 0))
