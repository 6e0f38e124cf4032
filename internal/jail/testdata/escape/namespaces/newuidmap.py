# expect: held
# The program runs the host's setuid programs that write id maps, to map root in the jail.
# layers: attributes
import subprocess
for program in ("newuidmap", "newgidmap"):
    before = open("/proc/self/uid_map").read()
    try:
        status = subprocess.run([f"/usr/bin/{program}", "1", "0", "0", "1"], capture_output=True).returncode
    except FileNotFoundError:
        held(f"there is no {program}")
        continue
    (escaped if status == 0 or open("/proc/self/uid_map").read() != before else held)(f"{program} ends with {status}")
