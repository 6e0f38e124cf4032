# expect: held
# The program makes a directory tree that is deeper than the longest path, which could stop programs that walk or remove it recursively.
# layers: scratch
# limits: inodes=1000
os.chdir("/tmp")
depth = 0
try:
    while depth < 100000:
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
        depth += 1
    escaped(f"{depth} directories")
except OSError as e:
    held(f"{name_of(e.errno)} at depth {depth}")
