# expect: held
# The directory in which the init assembled the root, and the whole scratch space under it.
# layers: attributes
for directory in ("", "/tmp/..", "/dev/shm/..", "/run/..", "/home/sandbox/.."):
    for name in (".scratch", ".empty", "home-sandbox", "dev-shm"):
        refused(f"{directory}/{name}", lambda: os.stat(f"{directory}/{name}"), errno.ENOENT)
