# expect: held
# The program calls readahead, which makes the disk and the page cache work while the program does not wait.
# layers: seccomp
refused("readahead", lambda: syscall("readahead", 0, 0, 1 << 40))
