# expect: held
# The same as inotify by fanotify, for which Linux 5.13 and later need no privilege.
# layers: seccomp
FAN_REPORT_FID = 0x200
unreachable("fanotify_init", lambda: syscall("fanotify_init", FAN_REPORT_FID, 0))
