# expect: held
# The program opens POSIX shared memory of the host by its name, and lists /dev/shm.
# layers: mounts landlock
steal("/dev/shm", *hosts(SHM_FILE))
names = [n for n in os.listdir("/dev/shm")]
(escaped if names else held)(f"/dev/shm has {names}")
