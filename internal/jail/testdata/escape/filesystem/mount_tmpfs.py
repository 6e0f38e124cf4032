# expect: held
# The program mounts a tmpfs that is larger than the scratch space, and executable.
# layers: seccomp credentials landlock
refused("mount tmpfs", lambda: syscall("mount", b"tmpfs", b"/home/sandbox", b"tmpfs", 0, b"size=1g"))
