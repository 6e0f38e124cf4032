# expect: held exit=255
# A status out of its range, from a program that was not Python any more.
# layers: daemon
os.execv("/bin/sh", ["sh", "-c", "exit 65535"])
