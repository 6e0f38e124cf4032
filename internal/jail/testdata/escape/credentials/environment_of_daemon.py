# expect: held
# The program searches its own environment and that of process 1 for the secret in the daemon's environment.
# layers: daemon
steal("environment", "/proc/self/environ", "/proc/1/environ")
(escaped if "SANDBOXD_ESCAPE_SECRET" in os.environ else held)("os.environ")
