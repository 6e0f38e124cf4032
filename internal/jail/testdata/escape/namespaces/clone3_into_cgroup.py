# expect: held
# The program creates a child in another cgroup, which does not have the limits of the run.
# layers: seccomp mounts
CLONE_INTO_CGROUP = 0x200000000
for root in hosts("/sys/fs/cgroup") + hosts("/sys/fs/cgroup/unified"):
    try:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as e:
        held(f"{root}: {name_of(e.errno)}")
        continue
    arguments = struct.pack("11Q", CLONE_INTO_CGROUP, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, fd)
    pid, number = syscall("clone3", arguments, len(arguments))
    if pid == 0:
        os._exit(0)
    (held if number in DENIED else escaped)(f"clone3 into {root}: {name_of(number)}")
