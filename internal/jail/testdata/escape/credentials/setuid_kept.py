# expect: held
# The program makes a setuid file of its own user in the scratch space, and executes it. Each mount of the scratch space must be nosuid,
# nodev and noexec.
# layers: attributes
os.close(os.open("/home/sandbox/x", os.O_CREAT | os.O_WRONLY, 0o755))
attempt(lambda: os.chmod("/home/sandbox/x", 0o6755))
mounts = {line.split()[4]: line.split()[5].split(",") for line in open("/proc/self/mountinfo")}
for at in ("/home/sandbox", "/tmp", "/dev/shm", "/run"):
    (held if {"nosuid", "nodev", "noexec"} <= set(mounts[at]) else escaped)(f"{at} is {mounts[at]}")
refused("exec", lambda: os.posix_spawn("/home/sandbox/x", ["x"], {}), errno.EACCES)
