# expect: held
# The program allocates space without writing, in one file and in many, and makes a hole in a file of the system tree (related to
# CVE-2024-43853).
# layers: scratch
# limits: scratch=16MiB
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2
fd = os.open("/tmp/x", os.O_CREAT | os.O_RDWR)
for flags in (0, FALLOC_FL_KEEP_SIZE):
    refused(f"a TiB, {flags}", lambda: syscall("fallocate", fd, flags, 0, 1 << 40), errno.EFBIG, errno.ENOSPC)
total = 0
for i in range(100):
    number = attempt(lambda: syscall("fallocate", os.open(f"/tmp/{i}", os.O_CREAT | os.O_RDWR), 0, 0, 1 << 20))[1]
    if number: break
    total += 1 << 20
(held if total <= 16 << 20 else escaped)(f"{total} bytes, then {name_of(number)}")
tree = os.open("/usr/bin/env", os.O_RDONLY)
refused("a hole", lambda: syscall("fallocate", tree, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4096), errno.EBADF, errno.EROFS)
