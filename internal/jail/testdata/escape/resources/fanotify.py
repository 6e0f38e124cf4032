# expect: held
# The program creates queues of events, without a limit (FAN_UNLIMITED_QUEUE) or with the limit of 16384.
# layers: seccomp
refused("fanotify_init", lambda: syscall("fanotify_init", 0x200, 0))
