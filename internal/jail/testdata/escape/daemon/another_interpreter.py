# expect: held
# The program starts an isolated interpreter without the launcher, which has the same rights. It replaces itself, because only its own /proc/self can be read.
# layers: kernel
look = "[l.split()[1] for l in open('/proc/self/status') if l.startswith(('NoNewPrivs', 'Seccomp', 'Cap', 'Uid', 'Gid'))]"
judge = f"import sys; now = str({look}); print('held: nothing changes' if now == sys.argv[1] else 'ESCAPED: ' + now + ', before it was ' + sys.argv[1])"
os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", judge, str(eval(look))])
