# expect: held
# Watching what the host does with the files that both see.
# layers: seccomp
unreachable("inotify_init1", lambda: syscall("inotify_init1", 0))
