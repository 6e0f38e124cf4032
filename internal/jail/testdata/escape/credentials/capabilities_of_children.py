# expect: held
# The program executes a shell, which looks for capabilities in its sets: execve could give them to it. The program replaces itself by the
# shell, because Landlock lets a process read /proc/self but not the files of a child.
# layers: credentials
script = """all=; while read -r a b; do case $a in Cap*) all="$all $b";; esac; done </proc/self/status
case $all in "" | *[!0\\ ]*) echo "ESCAPED: capabilities $all";; *) echo "held: capabilities $all";; esac"""
os.execv("/bin/sh", ["sh", "-c", script])
