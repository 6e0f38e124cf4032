# expect: held
# A child process, which gets its own files of /proc, opens those that show whether other processes map a page of the system tree. It
# looks in the directory that is mounted for it, and in the kernel's directories below. Then its parent looks for them.
# layers: landlock
def look(pid):
    for name in ("smaps", "smaps_rollup", "pagemap", "numa_maps"):
        for directory in ("", "files/", f"task/{pid}/", "fd/../", "root/proc/self/"):
            path = f"/proc/{pid}/{directory}{name}"
            refused(path, lambda: os.close(os.open(path, os.O_RDONLY)), errno.EACCES, errno.ENOENT)


mine, its = os.pipe()
child = os.fork()
if child == 0:
    os.close(its)
    with open("/proc/self/statm") as file:
        print("its own files:", len(file.read().split()))
    look(os.getpid())
    sys.stdout.flush()
    os.read(mine, 1)  # until the parent has looked
    os._exit(0)
look(child)
os.close(its)
os.waitpid(child, 0)
