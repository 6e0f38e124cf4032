# expect: held
# The directory in which the init assembled the root, and the whole scratch space under it.
# layers: attributes
refused("/.scratch", lambda: os.stat("/.scratch"), errno.ENOENT)
for directory in ("/tmp", "/dev/shm", "/run", "/home/sandbox"):
    above = set(os.listdir(directory + "/..")) & {"home-sandbox", "dev-shm", ".scratch"}
    (escaped if above else held)(f"above {directory}: {above}")
