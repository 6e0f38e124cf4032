# expect: held
# The program creates FIFOs with the names of the source and of possible output files. A FIFO blocks a process of the host that opens it.
# layers: daemon
os.unlink("/home/sandbox/main.py")
for path in ("/home/sandbox/main.py", "/home/sandbox/output", "/home/sandbox/stdout", "/home/sandbox/.main.py", "/run/main.py", "/tmp/core"):
    os.mkfifo(path)
held("nobody opens it: this run ends, and the next one starts")
