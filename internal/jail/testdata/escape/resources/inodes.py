# expect: held
# The program makes empty files, directories and hard links, which use inodes.
# layers: scratch
# limits: inodes=200
made = 0
for d, make in (("/tmp", lambda p: open(p, "w").close()), ("/dev/shm", os.mkdir), ("/run", lambda p: os.link("/home/sandbox/main.py", p))):
    try:
        for i in range(100000):
            make(f"{d}/{i}")
            made += 1
    except OSError as e:
        held(f"{d}: {name_of(e.errno)} at {i}")
if made > 200:
    escaped(f"{made} names of 200 inodes")
