# expect: held
# The program searches for the directory in which the init assembled the root, and for the whole scratch space below it.
# layers: attributes
for directory in ("", "/tmp/..", "/dev/shm/..", "/run/..", "/home/sandbox/.."):
    for name in (".scratch", ".empty", "home-sandbox", "dev-shm"):
        refused(f"{directory}/{name}", lambda: os.stat(f"{directory}/{name}"), errno.ENOENT)
