# expect: held
# The program runs setuid and setgid programs of the host. In the jail they have no privilege: the loader obeys LD_DEBUG only in programs
# without privilege.
# layers: attributes credentials ids
import glob, stat, subprocess
for path in glob.glob("/usr/bin/*") + glob.glob("/usr/sbin/*") + glob.glob("/usr/lib/*/*"):
    try:
        mode = os.stat(path).st_mode
    except OSError:
        continue
    if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID) and os.access(path, os.X_OK):
        r = subprocess.run([path], env={"LD_DEBUG": "help"}, stdin=subprocess.DEVNULL, capture_output=True)
        (held if b"Valid options for the LD_DEBUG" in r.stdout + r.stderr else escaped)(f"{path}: {(r.stdout + r.stderr)[:60]}")
held("all tried")
