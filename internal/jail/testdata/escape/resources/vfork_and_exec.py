# expect: held timeout
# Programs start other programs without end, faster than their memory can be measured.
# layers: cgroup rlimits
# limits: wall=2s pids=20
import subprocess
while True:
    try: subprocess.Popen(["/bin/sh", "-c", "while :; do /bin/true & done"], stderr=subprocess.DEVNULL)
    except OSError: pass
