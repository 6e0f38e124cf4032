# expect: held
# The program looks for the directory in which the init assembled the root, and for the root directory of the scratch space.
# layers: attributes
for directory in ("", "/tmp/..", "/dev/shm/..", "/run/..", "/home/sandbox/.."):
    for name in (".scratch", ".empty", "home-sandbox", "dev-shm"):
        refused(f"{directory}/{name}", lambda: os.stat(f"{directory}/{name}"), errno.ENOENT)
