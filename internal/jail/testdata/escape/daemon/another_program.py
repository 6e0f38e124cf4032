# expect: held timeout
# The program replaces python3 by a shell that ignores signals and does not end. The timeout must end it.
# layers: daemon
# limits: wall=1s
os.execv("/bin/sh", ["sh", "-c", "trap '' TERM XCPU INT HUP; while :; do :; done"])
