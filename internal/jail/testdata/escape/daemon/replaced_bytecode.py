# expect: held
# The compiled form is replaced while it runs, and run: by the same interpreter, in the same jail.
# layers: kernel
import importlib.util, marshal
code = compile("""print("held:" if "Seccomp:\\t2" in open("/proc/self/status").read() else "ESCAPED:", "still inside", flush=True)""", "x", "exec")
with open("/run/main.pyc", "wb") as f: f.write(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code))
os.execv(sys.executable, [sys.executable, "/run/main.pyc"])
