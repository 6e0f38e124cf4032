# Run by the daemon, once and outside of any jail, on the operator's interpreter: says where that
# lives, and compiles our modules, which come in on standard input.
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
    """Hooks that setuptools left for packages without __init__.py, which Python finds by itself since 3.3:
    each interpreter's start would import a dozen modules for them."""
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
