# expect: held
# The cgroup v1 file that names a program for the host's root to run (CVE-2022-0492), and the
# ways out of a cgroup.
# layers: mounts attributes
import glob
for root in hosts("/sys/fs/cgroup"):
    files = glob.glob(root + "/release_agent") + glob.glob(root + "/*/release_agent") + glob.glob(root + "/cgroup.procs") + glob.glob(root + "/*/cgroup.procs")
    for path in files:
        refused(f"write {path}", lambda: os.open(path, os.O_WRONLY), errno.EROFS, errno.EACCES)
    held(f"{len(files)} files below {root}")
