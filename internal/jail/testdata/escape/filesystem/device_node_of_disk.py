# expect: held
# The program creates device nodes: of the host's disk, of /dev/mem and of the console.
# layers: seccomp ids
import stat
for path in ("/usr", "/etc/fonts"):
    if os.path.exists(path):
        refused("mknod of the disk", lambda: os.mknod("/tmp/disk", stat.S_IFBLK | 0o666, os.stat(path).st_dev))
refused("mknod of /dev/mem", lambda: os.mknod("/tmp/mem", stat.S_IFCHR | 0o666, os.makedev(1, 1)))
refused("mknod of a console", lambda: os.mknod("/home/sandbox/console", stat.S_IFCHR | 0o666, os.makedev(5, 1)))
