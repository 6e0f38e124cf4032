# expect: held
# The program moves a file between two mounts of the same file system.
# layers: kernel
open("/tmp/x", "w").write("x")
os.mkdir("/tmp/d")
for to in ("/run/x", "/dev/shm/x", "/home/sandbox/x"):
    refused(f"rename to {to}", lambda: os.rename("/tmp/x", to), errno.EXDEV)
    refused(f"link to {to}", lambda: os.link("/tmp/x", to), errno.EXDEV)
