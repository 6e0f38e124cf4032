# expect: held
# The program moves and links a file from one mount of the scratch space to another. The kernel refuses this, although it is one file
# system.
# layers: kernel
open("/tmp/x", "w").write("x")
os.mkdir("/tmp/d")
for to in ("/run/x", "/dev/shm/x", "/home/sandbox/x"):
    refused(f"rename to {to}", lambda: os.rename("/tmp/x", to), errno.EXDEV)
    refused(f"link to {to}", lambda: os.link("/tmp/x", to), errno.EXDEV)
