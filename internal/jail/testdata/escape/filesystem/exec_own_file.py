# expect: held
# The program executes a setuid copy of a system program from every writable directory.
# layers: attributes
import shutil
for directory in ("/tmp", "/home/sandbox", "/dev/shm", "/run"):
    path = directory + "/copy"
    shutil.copyfile("/usr/bin/id", path)
    os.chmod(path, 0o6755)
    refused(f"exec {path}", lambda: os.posix_spawn(path, [path], {}), errno.EACCES)
