# expect: held
# The interpreter again, isolated, without the launcher: what it may do is the same.
# layers: kernel
import subprocess
look = "print([l.split()[1] for l in open('/proc/self/status') if l.startswith(('NoNewPrivs', 'Seccomp', 'Cap', 'Uid', 'Gid'))])"
told = subprocess.run([sys.executable, "-I", "-S", "-c", look], capture_output=True, text=True).stdout.strip()
own = str([l.split()[1] for l in open("/proc/self/status") if l.startswith(("NoNewPrivs", "Seccomp", "Cap", "Uid", "Gid"))])
if told == own: held("nothing changes")
else: escaped(f"{told}, before it was {own}")
