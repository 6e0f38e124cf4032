# expect: held
# The program replaces main.py by compiled code and executes python3 on it. The new program must be under the filter too.
# layers: kernel
import importlib.util, marshal
code = compile("""print("held:" if "Seccomp:\\t2" in open("/proc/self/status").read() else "ESCAPED:", "still inside", flush=True)""", "x", "exec")
with open("/home/sandbox/main.py", "wb") as f: f.write(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code))
os.execv(sys.executable, [sys.executable, "/home/sandbox/main.py"])
