# expect: held timeout
# What runs is no longer python3.
# layers: daemon
# limits: wall=1s
os.execv("/bin/sh", ["sh", "-c", "trap '' TERM XCPU INT HUP; while :; do :; done"])
