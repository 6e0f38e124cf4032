"""matplotlib with the Agg backend: the font cache, PNG, SVG and PDF."""

import io
import os

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

x = np.linspace(0, 10, 200)
figure, axes = plt.subplots(1, 2)
axes[0].plot(x, np.sin(x), label=r"$\sin x$")
axes[0].legend()
axes[1].imshow(np.outer(x, x))
for kind, magic in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("jpg", b"\xff\xd8")):
    out = io.BytesIO()
    figure.savefig(out, format=kind)
    assert out.getvalue().startswith(magic), kind
figure.savefig("figure.png")
assert os.path.getsize("figure.png") > 1000
plt.hist(np.random.default_rng(1).normal(size=1000))
plt.close("all")
print("done")
