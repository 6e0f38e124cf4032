# expect: held
# The same by fanotify, which everybody may use since Linux 5.13.
# layers: seccomp
FAN_REPORT_FID = 0x200
unreachable("fanotify_init", lambda: syscall("fanotify_init", FAN_REPORT_FID, 0))
