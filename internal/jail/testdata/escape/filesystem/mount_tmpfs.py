# expect: held
# More room to write than the scratch space has, executable.
# layers: seccomp credentials landlock
refused("mount tmpfs", lambda: syscall("mount", b"tmpfs", b"/home/sandbox", b"tmpfs", 0, b"size=1g"))
