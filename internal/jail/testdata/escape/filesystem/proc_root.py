# expect: held
# The program opens the secret file below the root directory of every process and thread that /proc shows.
# layers: mounts landlock
roots = [f"/proc/{p}/root" for p in ["self", "thread-self", "1", "self/task/1"] + os.listdir("/proc")]
steal("/proc/*/root", *(r + p for r in roots for p in hosts(SECRET_FILE)))
