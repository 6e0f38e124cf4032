# expect: held
# The program uses names and paths of the maximum length and longer ones, and names with control characters, invalid UTF-8, options and
# format strings.
# layers: kernel
open("/tmp/" + "x" * 255, "w").close()
refused("256 bytes", lambda: open("/tmp/" + "x" * 256, "w"), errno.ENAMETOOLONG)
refused("a path of 4096", lambda: open("/tmp" + "/." * 2046 + "/xyz", "w"), errno.ENAMETOOLONG)
refused("a path of a MiB", lambda: os.stat("/" * (1 << 20)), errno.ENAMETOOLONG)
for name in (b"\n", b"\xff\xfe", b"\x1b[2J", b"-rf", b"%s%n"):
    open(b"/tmp/" + name, "w").close()
if len(os.listdir("/tmp")) != 6:
    unclear(str(os.listdir("/tmp")))
