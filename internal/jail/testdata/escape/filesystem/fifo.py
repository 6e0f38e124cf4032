# expect: held
# A FIFO blocks whoever opens it on the host: in place of the source, the compiled program, an output file.
# layers: daemon
os.unlink("/home/sandbox/main.py")
for path in ("/home/sandbox/main.py", "/home/sandbox/output", "/home/sandbox/stdout", "/run/main.py", "/tmp/core"):
    os.mkfifo(path)
os.rename("/run/main.py", "/run/main.pyc")
held("nobody opens it: this run ends, and the next one starts")
