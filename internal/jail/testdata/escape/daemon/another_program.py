# expect: held timeout
# The program replaces python3 by another program.
# layers: daemon
# limits: wall=1s
os.execv("/bin/sh", ["sh", "-c", "trap '' TERM XCPU INT HUP; while :; do :; done"])
