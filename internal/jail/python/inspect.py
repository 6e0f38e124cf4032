# The daemon runs this program once, outside of any jail, with the operator's interpreter. It prints the directories of the interpreter,
# and compiles the daemon's modules, which it reads from standard input.
import base64
import glob
import importlib.util
import json
import marshal
import os
import site
import sys



def compiled(name, source):
    code = compile(source, name + ".py", "exec", dont_inherit=True, optimize=2)
    return base64.b64encode(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)).decode()


def relics(directories):
    """Yield the *-nspkg.pth files that setuptools wrote for namespace packages. Since Python 3.3 they are not needed, and they make each
    start of the interpreter import a dozen modules."""
    for path in (path for directory in directories for path in glob.glob(os.path.join(directory, "*-nspkg.pth"))):
        with open(path) as file:
            if all(line.startswith("import sys, types, os;has_mfs = ") for line in file):
                yield path


json.dump({
    "version": sys.version_info[:2],
    "relics": list(relics(site.getsitepackages())),
    "prefixes": [sys.prefix, sys.base_prefix, sys.exec_prefix],
    "modules": {name: compiled(name, source) for name, source in json.load(sys.stdin).items()},
}, sys.stdout)
