# expect: held
# The interpreter again, isolated, without the launcher: what it may do is the same.
# layers: credentials seccomp
import subprocess
told = subprocess.run([sys.executable, "-I", "-S", "-c", "print([l.split()[1] for l in open('/proc/self/status') if l.startswith(('NoNewPrivs', 'Seccomp:', 'CapEff', 'CapBnd'))])"],
                      capture_output=True, text=True).stdout.strip()
if told == "['0000000000000000', '0000000000000000', '1', '2']": held("nothing changes")
else: escaped(told)
