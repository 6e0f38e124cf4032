# expect: held
# The program opens the secret file by many ".." relative to an O_PATH descriptor of the root, which leaves a chroot.
# layers: mounts landlock
root = os.open("/", os.O_PATH | os.O_DIRECTORY)
for path in hosts(SECRET_FILE):
    try:
        fd = os.open("../../../.." + path, os.O_RDONLY, dir_fd=root)
        (escaped if leaks(os.read(fd, 100)) else unclear)(path)
    except OSError as e:
        held(f"openat: {name_of(e.errno)}")
