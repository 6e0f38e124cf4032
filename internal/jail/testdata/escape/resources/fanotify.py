# expect: held
# The program creates a group of fanotify, whose queue holds up to 16,384 events.
# layers: seccomp
refused("fanotify_init", lambda: syscall("fanotify_init", 0x200, 0))
