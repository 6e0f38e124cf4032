# expect: held
# The program creates an instance of inotify. Its watches would pin inodes, and are counted by uid (fs.inotify.max_user_watches).
# layers: seccomp
refused("inotify_init1", lambda: syscall("inotify_init1", 0))
