# Run by the daemon, once and outside of any jail, on the operator's interpreter: says where that
# lives, and compiles our modules, which come in on standard input.
import base64
import importlib.util
import json
import marshal
import sys



def compiled(name, source):
    code = compile(source, name + ".py", "exec", dont_inherit=True, optimize=2)
    return base64.b64encode(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)).decode()


json.dump({
    "version": sys.version_info[:2],
    "prefixes": [sys.prefix, sys.base_prefix, sys.exec_prefix],
    "modules": {name: compiled(name, source) for name, source in json.load(sys.stdin).items()},
}, sys.stdout)
