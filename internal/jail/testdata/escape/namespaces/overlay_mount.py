# expect: held
# The program mounts overlayfs over the system tree, in the jail's own namespaces.
# layers: seccomp credentials landlock
os.makedirs("/tmp/u"), os.makedirs("/tmp/w")
refused("mount", lambda: syscall("mount", b"overlay", b"/tmp", b"overlay", 0, b"lowerdir=/usr:/etc"))
