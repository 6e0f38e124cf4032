# expect: held
# The program mounts a tmpfs over its home directory that is larger than the scratch space and not noexec.
# layers: seccomp credentials landlock
refused("mount tmpfs", lambda: syscall("mount", b"tmpfs", b"/home/sandbox", b"tmpfs", 0, b"size=1g"))
