# expect: held
# Work for the disk and the page cache that nobody waits for.
# layers: seccomp
refused("readahead", lambda: syscall("readahead", 0, 0, 1 << 40))
