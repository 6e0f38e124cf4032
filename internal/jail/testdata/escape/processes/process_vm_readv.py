# expect: held
# The program reads and writes the memory of a process of the host.
# layers: seccomp pid-ns
buffer = ctypes.create_string_buffer(4096)
local = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 4096)
remote = (ctypes.c_void_p * 2)(0x400000, 4096)
for call in ("process_vm_readv", "process_vm_writev"):
    for pid in (HOST_PID, DAEMON_PID):
        unreachable(f"{call} {pid}", lambda: syscall(call, pid, local, 1, remote, 1, 0), errno.ESRCH)
