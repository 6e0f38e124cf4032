# expect: held
# The program makes an orphan, which reads the id of its new parent. It must be the init, and never a process outside of the jail.
# layers: pid-ns
r, w = os.pipe()
def orphan():
    middle = os.getpid()
    if os.fork() == 0:
        while os.getppid() == middle:
            os.sched_yield()
        os.write(w, str(os.getppid()).encode())
        os._exit(0)
child(orphan)
parent = os.read(r, 10)
(held if parent == b"1" else escaped)(f"the orphan's parent is {parent}")
