# expect: held
# The program opens a pidfd of its parent, the init, which holds the status pipe, and uses it to take descriptors and to enter namespaces.
# It also opens pidfds of ids that are not its own.
# layers: init
for pid, flags in ((0, 0), (-1, 0), (DAEMON_PID, os.O_EXCL)):
    unreachable(f"pidfd_open {pid}", lambda: syscall("pidfd_open", pid, flags), errno.EINVAL, errno.ESRCH)
init, number = syscall("pidfd_open", os.getppid(), 0)
if number:
    held(f"pidfd_open of the init: {name_of(number)}")
else:
    for fd in range(8):
        refused(f"pidfd_getfd {fd} of the init", lambda: syscall("pidfd_getfd", init, fd, 0))
    for kind in (0x20000, 0x4000000, 0x8000000, 0x10000000, 0x40000000):
        refused(f"setns {kind:#x} of the init", lambda: syscall("setns", init, kind))
