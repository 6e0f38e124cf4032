# expect: held
# Links and special files where the source was: nobody reads it again.
# layers: seccomp daemon
os.chdir("/home/sandbox")
os.unlink("main.py")
refused("a symbolic link", lambda: os.symlink("/etc/passwd", "main.py"))
refused("a fifo", lambda: os.mkfifo("main.py"))
refused("a device", lambda: os.mknod("main.py", 0o20666, 0x103))
s = socket.socket(socket.AF_UNIX)
s.bind("main.py")
os.unlink("main.py")
os.mkdir("main.py")
os.chmod("main.py", 0)
os.chmod("/home/sandbox", 0)
os.chmod("/tmp", 0)
held("its directory is of no use to anybody")
