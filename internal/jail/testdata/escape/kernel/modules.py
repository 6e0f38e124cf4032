# expect: held
# The program loads and unloads kernel modules.
# layers: seccomp ids
fd = os.open("/usr/bin/env", os.O_RDONLY)
refused("init_module", lambda: syscall("init_module", bytes(64), 64, b""))
refused("finit_module", lambda: syscall("finit_module", fd, b"", 0))
refused("delete_module", lambda: syscall("delete_module", b"ext4", os.O_NONBLOCK))
