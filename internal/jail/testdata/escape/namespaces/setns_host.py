# expect: held
# The program enters the namespaces of a process of the host, by its files in /proc.
# layers: seccomp ids
for pid in (HOST_PID, DAEMON_PID, 1):
    for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"):
        for path in hosts(f"/proc/{pid}/ns/{kind}"):
            if path == f"/proc/1/ns/{kind}":
                continue
            try:
                fd = os.open(path, os.O_RDONLY)
            except OSError as e:
                held(f"{path}: {name_of(e.errno)}")
                continue
            refused(f"setns {path}", lambda: syscall("setns", fd, 0))
            os.close(fd)
