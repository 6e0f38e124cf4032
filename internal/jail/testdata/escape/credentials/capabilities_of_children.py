# expect: held
# execve gives capabilities. The program replaces itself, because only its own /proc/self can be read.
# layers: credentials
script = """all=; while read -r a b; do case $a in Cap*) all="$all $b";; esac; done </proc/self/status
case $all in "" | *[!0\\ ]*) echo "ESCAPED: capabilities $all";; *) echo "held: capabilities $all";; esac"""
os.execv("/bin/sh", ["sh", "-c", script])
