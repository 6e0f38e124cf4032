# expect: held
# The program searches for the environment of the daemon, which contains secrets.
# layers: daemon
steal("environment", "/proc/self/environ", "/proc/1/environ")
(escaped if "SANDBOXD_ESCAPE_SECRET" in os.environ else held)("os.environ")
