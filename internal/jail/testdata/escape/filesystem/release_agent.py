# expect: held
# The program opens for writing release_agent of cgroup v1, which names a program that the host runs as root (CVE-2022-0492), and
# cgroup.procs.
# layers: mounts attributes
import glob
for root in hosts("/sys/fs/cgroup"):
    files = glob.glob(root + "/release_agent") + glob.glob(root + "/*/release_agent") + glob.glob(root + "/cgroup.procs") + glob.glob(root + "/*/cgroup.procs")
    for path in files:
        refused(f"write {path}", lambda: os.open(path, os.O_WRONLY), errno.EROFS, errno.EACCES)
    held(f"{len(files)} files below {root}")
