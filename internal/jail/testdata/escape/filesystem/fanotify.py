# expect: held
# The program creates a group of fanotify, with which it could watch what others do with files that both can see. Linux 5.13 and later need
# no privilege for it.
# layers: seccomp
FAN_REPORT_FID = 0x200
unreachable("fanotify_init", lambda: syscall("fanotify_init", FAN_REPORT_FID, 0))
