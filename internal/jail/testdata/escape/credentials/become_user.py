# expect: held
# The program runs su, sudo, pkexec and similar setuid programs to become root (CVE-2021-4034, CVE-2021-3156). In the jail they have no
# privilege.
# layers: ids credentials
import subprocess
for command in (["su", "-c", "id -u"], ["sudo", "-n", "id", "-u"], ["pkexec", "id", "-u"], ["newgrp", "root"], ["sg", "root", "-c", "id -u"],
                ["runuser", "-u", "root", "--", "id", "-u"], ["setpriv", "--reuid=0", "id", "-u"], ["chfn", "-f", "x"]):
    try:
        r = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as e:
        held(f"{command[0]}: {e}")
        continue
    (escaped if r.stdout.strip() == b"0" or command[0] == "chfn" and r.returncode == 0 else held)(f"{command[0]}: {r.returncode}")
