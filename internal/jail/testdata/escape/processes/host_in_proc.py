# expect: held
# The program opens files of a process of the host in /proc. Its environment contains the secret.
# layers: pid-ns ids
for pid in (HOST_PID, DAEMON_PID):
    for name in ("environ", "root" + SECRET_FILE, "cwd", "exe", "fd/0", "mem", "maps", "auxv", "stack", "map_files"):
        steal(f"{pid}/{name}", *hosts(f"/proc/{pid}/{name}"))
