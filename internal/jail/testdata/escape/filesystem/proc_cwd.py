# expect: held
# The program opens paths below the links to working directories in /proc. The kernel follows these links without resolving a path (CVE-2024-21626).
# layers: mounts landlock
starts = [f"/proc/{p}/cwd/" + "../" * 20 for p in ("self", "1", "thread-self")]
steal("/proc/*/cwd", *(s + p[1:] for s in starts for p in hosts(SECRET_FILE)))
