# expect: held
# The daemon's environment, where it has its secrets.
# layers: daemon
for path in ("/proc/self/environ", "/proc/1/environ"):
    (escaped if leaks(open(path, "rb").read()) else held)(path)
(escaped if "SANDBOXD_ESCAPE_SECRET" in os.environ else held)("os.environ")
