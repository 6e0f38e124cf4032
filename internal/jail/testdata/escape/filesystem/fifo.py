# expect: held
# A FIFO blocks whoever opens it on the host: in place of the source, of what it is moved to, of an output file.
# layers: daemon
os.unlink("/home/sandbox/main.py")
for path in ("/home/sandbox/main.py", "/home/sandbox/output", "/home/sandbox/stdout", "/home/sandbox/.main.py", "/run/main.py", "/tmp/core"):
    os.mkfifo(path)
held("nobody opens it: this run ends, and the next one starts")
