# expect: held
# Capabilities back by execve. In place of this program, whose /proc/self is the only one that can be read.
# layers: credentials
script = """all=; while read -r a b; do case $a in Cap*) all="$all $b";; esac; done </proc/self/status
case $all in "" | *[!0\\ ]*) echo "ESCAPED: capabilities $all";; *) echo "held: capabilities $all";; esac"""
os.execv("/bin/sh", ["sh", "-c", script])
