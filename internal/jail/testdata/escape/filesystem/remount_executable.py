# expect: held
# The program remounts /tmp without noexec, and executes a program there.
# layers: seccomp credentials landlock
import shutil
shutil.copyfile("/usr/bin/true", "/tmp/true")
os.chmod("/tmp/true", 0o755)
attempt(lambda: syscall("mount", b"none", b"/tmp", None, 32 | 4096, None))
refused("exec of a file of its own", lambda: os.posix_spawn("/tmp/true", ["true"], {}), errno.EACCES)
