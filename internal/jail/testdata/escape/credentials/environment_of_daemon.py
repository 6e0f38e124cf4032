# expect: held
# The daemon's environment, where it has its secrets.
# layers: daemon
steal("environment", "/proc/self/environ", "/proc/1/environ")
(escaped if "SANDBOXD_ESCAPE_SECRET" in os.environ else held)("os.environ")
