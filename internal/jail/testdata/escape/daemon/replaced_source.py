# expect: held
# The program replaces main.py by a link, a FIFO, a device, a socket and a directory, and removes all rights to its directories. The daemon
# does not read the source again.
# layers: daemon
os.chdir("/home/sandbox")
os.unlink("main.py")
for make in (lambda: os.symlink("/etc/passwd", "main.py"), lambda: os.mkfifo("main.py"), lambda: os.mknod("main.py", 0o20666, 0x103)):
    if attempt(make)[1] == 0: os.rename("main.py", "was.py")  # the device cannot be made
s = socket.socket(socket.AF_UNIX)
s.bind("main.py")
os.unlink("main.py")
os.mkdir("main.py")
os.chmod("main.py", 0)
os.chmod("/home/sandbox", 0)
os.chmod("/tmp", 0)
held("the source and its directories cannot be used")
