# Run by the daemon, once and outside of any jail, on the operator's interpreter: says where that
# lives, and compiles the launcher, which comes in on standard input.
import base64
import importlib.util
import json
import marshal
import sys

code = compile(sys.stdin.buffer.read(), "launcher.py", "exec", dont_inherit=True, optimize=2)
json.dump({
    "version": sys.version_info[:2],
    "prefixes": [sys.prefix, sys.base_prefix, sys.exec_prefix],
    "launcher": base64.b64encode(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)).decode(),
}, sys.stdout)
