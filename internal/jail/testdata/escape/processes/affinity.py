# expect: held
# The program chooses more processors than it started with, and chooses processors for processes of the host. The cpuset of its cgroup
# limits its own choice.
# layers: kernel
before = os.sched_getaffinity(0)
mask = ctypes.create_string_buffer(b"\xff" * 128)
_, number = syscall("sched_setaffinity", 0, 128, mask)
after = os.sched_getaffinity(0)
(held if after <= before else escaped)(f"{name_of(number) if number else 'ok'}: {sorted(after)} of {sorted(before)}")
for pid in (HOST_PID, DAEMON_PID):
    refused(f"of process {pid}", lambda: syscall("sched_setaffinity", pid, 128, mask), *DENIED, errno.ESRCH)
