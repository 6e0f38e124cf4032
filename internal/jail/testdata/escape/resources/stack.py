# expect: held
# A child recurses a million times in C, which exceeds the stack. Only this child may end.
# layers: rlimits
def recurse():
    sys.setrecursionlimit(10 ** 8)
    class A:
        def __getattr__(self, name): return getattr(self, name + "x")
    f = lambda *a: f(*a)
    x = []
    for i in range(10 ** 6): x = [x]
    repr(x)
pid = os.fork()
if pid == 0:
    try: recurse()
    except BaseException: os._exit(7)
    os._exit(0)
status = os.waitpid(pid, 0)[1]
if status == 0: escaped("a million frames in 8 MiB")
else: held(status_of(status))
