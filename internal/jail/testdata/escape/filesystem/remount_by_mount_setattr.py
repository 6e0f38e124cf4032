# expect: held
# The program makes the root and /tmp writable and executable by mount_setattr, and clones the root by open_tree. Then it creates a file in
# the root.
# layers: seccomp credentials
AT_EMPTY_PATH, OPEN_TREE_CLONE = 0x1000, 1
attributes = struct.pack("QQQQ", 0, 1 | 8, 0, 0)  # clear RDONLY and NOEXEC
for path in (b"/", b"/tmp"):
    attempt(lambda: syscall("mount_setattr", -100, path, 0, attributes, len(attributes)))
tree, number = syscall("open_tree", -100, b"/", OPEN_TREE_CLONE)
if number == 0:
    escaped("open_tree cloned the root")
refused("write to /", lambda: os.open("/written", os.O_CREAT | os.O_WRONLY), errno.EROFS)
