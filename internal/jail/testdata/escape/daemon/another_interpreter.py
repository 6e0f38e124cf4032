# expect: held
# The program executes an isolated interpreter without the launcher. Its ids, capabilities, no_new_privs and seccomp mode must be those of
# the program. The program replaces itself, because Landlock lets a process read /proc/self but not the files of a child.
# layers: kernel
look = "[l.split()[1] for l in open('/proc/self/status') if l.startswith(('NoNewPrivs', 'Seccomp', 'Cap', 'Uid', 'Gid'))]"
judge = f"import sys; now = str({look}); print('held: nothing changes' if now == sys.argv[1] else 'ESCAPED: ' + now + ', before it was ' + sys.argv[1])"
os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", judge, str(eval(look))])
