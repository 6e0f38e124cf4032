# expect: held
# noexec walked around by the dynamic loader, which is not executed from there but maps from there.
# layers: attributes
import glob, shutil, subprocess
shutil.copyfile("/usr/bin/id", "/tmp/copy")
os.chmod("/tmp/copy", 0o755)
loaders = glob.glob("/lib64/ld-linux-*.so*") + glob.glob("/lib/ld-linux-*.so*")
for loader in loaders or unclear("no loader") or []:
    r = subprocess.run([loader, "/tmp/copy"], capture_output=True)
    (escaped if r.stdout or r.returncode == 0 else held)(f"{loader} /tmp/copy: {r.stdout or r.stderr}")
