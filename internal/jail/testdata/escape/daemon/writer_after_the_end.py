# expect: held
# The program ends while a child in another session goes on writing to standard error. The child must end with it.
# layers: pid-ns
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.write(w, b"x")
    while True: os.write(2, b"still here\n")
os.read(r, 1)
held("its writer has ended with the run")
os._exit(0)
