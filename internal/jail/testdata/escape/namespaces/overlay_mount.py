# expect: held
# The program mounts an overlayfs of the system tree on /tmp, in the jail's own namespaces.
# layers: seccomp credentials landlock
os.makedirs("/tmp/u"), os.makedirs("/tmp/w")
refused("mount", lambda: syscall("mount", b"overlay", b"/tmp", b"overlay", 0, b"lowerdir=/usr:/etc"))
