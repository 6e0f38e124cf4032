# expect: held exit=255
# The program replaces itself by a shell, which exits with a status out of range. The daemon must report its lowest 8 bits.
# layers: daemon
os.execv("/bin/sh", ["sh", "-c", "exit 65535"])
