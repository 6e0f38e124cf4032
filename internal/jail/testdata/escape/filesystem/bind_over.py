# expect: held
# The program binds a directory of its own over /etc, whose files setuid programs trust.
# layers: seccomp credentials landlock
os.mkdir("/tmp/etc")
open("/tmp/etc/passwd", "w").write("root::0:0::/:/bin/sh\n")
attempt(lambda: syscall("mount", b"/tmp/etc", b"/etc", None, 4096, None))
with open("/etc/passwd") as f:
    (escaped if "root::" in f.read() else held)("/etc is a bind of /tmp/etc")
