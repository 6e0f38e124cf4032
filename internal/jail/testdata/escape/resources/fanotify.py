# expect: held
# Queues of events without a bound (FAN_UNLIMITED_QUEUE) or with one of 16384.
# layers: seccomp
refused("fanotify_init", lambda: syscall("fanotify_init", 0x200, 0))
