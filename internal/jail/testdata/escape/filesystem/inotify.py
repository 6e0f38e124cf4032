# expect: held
# The program creates an instance of inotify, with which it could watch what the host does with files that both can see.
# layers: seccomp
unreachable("inotify_init1", lambda: syscall("inotify_init1", 0))
