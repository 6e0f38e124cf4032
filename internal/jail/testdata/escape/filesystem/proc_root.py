# expect: held
# The root of any process that /proc shows, and of threads.
# layers: mounts landlock
roots = [f"/proc/{p}/root" for p in ["self", "thread-self", "1", "self/task/1"] + os.listdir("/proc")]
steal("/proc/*/root", *(r + p for r in roots for p in hosts(SECRET_FILE)))
