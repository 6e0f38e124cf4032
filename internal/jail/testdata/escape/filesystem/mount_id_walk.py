# expect: held
# The program looks in its mount table for mounts at places that the plan of the root does not have, such as mounts of the host that remain.
# layers: mounts
roots = set()
for line in open("/proc/self/mountinfo"):
    at = line.split()[4]
    roots.add("/" + at.split("/")[1])
extra = roots - {"/", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/dev", "/proc", "/home", "/tmp", "/run", "/sandbox"}
(escaped if extra else held)(f"mounted besides the plan: {extra}")
