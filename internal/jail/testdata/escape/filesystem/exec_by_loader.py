# expect: held
# The program starts the dynamic loader with a program on a noexec mount. execve sees the loader only, so the kernel
# must refuse to map the program as executable.
# layers: attributes
import shutil, subprocess
shutil.copyfile("/usr/bin/id", "/tmp/copy")
os.chmod("/tmp/copy", 0o755)
names = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
loaders = [name for name in names if os.path.exists(name)]
for loader in loaders or unclear("no loader") or []:
    r = subprocess.run([loader, "/tmp/copy"], capture_output=True)
    (escaped if r.stdout or r.returncode == 0 else held)(f"{loader} /tmp/copy: {r.stdout or r.stderr}")
