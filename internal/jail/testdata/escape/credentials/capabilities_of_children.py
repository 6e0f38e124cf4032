# expect: held
# Capabilities back by execve, of a child too.
# layers: credentials
import subprocess
out = subprocess.run(["/bin/sh", "-c", "while read -r a b; do case $a in Cap*) echo $b;; esac; done </proc/self/status"], capture_output=True, text=True).stdout.split()
(held if out and set(out) == {"0" * 16} else escaped)(f"capabilities of a child: {out}")
