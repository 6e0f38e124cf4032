# expect: held exit=255
# An exit status out of range, from a program that is no longer Python.
# layers: daemon
os.execv("/bin/sh", ["sh", "-c", "exit 65535"])
