# The daemon runs this in a jail, like any program. It prints the name and the content of matplotlib's font list.
import importlib.util
import json
import sys

if not importlib.util.find_spec("matplotlib"):
    sys.exit()
import matplotlib
from matplotlib.font_manager import FontManager, _load_fontmanager

_load_fontmanager()
name = f"fontlist-v{FontManager.__version__}.json"
with open(f"{matplotlib.get_cachedir()}/{name}") as file:
    json.dump({"name": name, "content": file.read()}, sys.stdout)
