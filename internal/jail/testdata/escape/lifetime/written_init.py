# expect: held timeout
# The program opens the init's memory, descriptors and other files in /proc, for writing and for reading, and reads and writes its memory by
# process_vm_readv and process_vm_writev.
# layers: init
# limits: wall=1s
for name in ("mem", "fd/4", "fd/3", "clear_refs", "oom_score_adj", "comm", "timerslack_ns", "coredump_filter", "attr/current"):
    refused(f"writing /proc/1/{name}", lambda: os.open(f"/proc/1/{name}", os.O_WRONLY), errno.ENOENT, errno.EROFS, *DENIED)
for name in ("mem", "maps", "environ", "auxv", "stack", "syscall", "fd", "ns/pid", "cwd", "root", "exe"):
    refused(f"reading /proc/1/{name}", lambda: os.open(f"/proc/1/{name}", os.O_RDONLY), errno.ENOENT, *DENIED)
word = ctypes.create_string_buffer(8)
local = struct.pack("QQ", ctypes.addressof(word), 8)
remote = struct.pack("QQ", 1 << 36, 8)
refused("process_vm_readv", lambda: syscall("process_vm_readv", 1, local, 1, remote, 1, 0))
refused("process_vm_writev", lambda: syscall("process_vm_writev", 1, local, 1, remote, 1, 0))
open("/tmp/acted", "w").close()
time.sleep(60)
