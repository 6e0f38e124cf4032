# expect: held
# The program uses mounts of the host that remain in the list of mounts. None of them may be reachable.
# layers: mounts
roots = set()
for line in open("/proc/self/mountinfo"):
    at = line.split()[4]
    roots.add("/" + at.split("/")[1])
extra = roots - {"/", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/dev", "/proc", "/home", "/tmp", "/run", "/sandbox"}
(escaped if extra else held)(f"mounted besides the plan: {extra}")
