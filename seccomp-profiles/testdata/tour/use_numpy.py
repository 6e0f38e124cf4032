"""numpy with as many BLAS threads as the environment says."""

import os
import tempfile

import numpy as np

rng = np.random.default_rng(1)
a = rng.random((600, 600))
b = a @ a.T + 600 * np.eye(600)
assert np.allclose(np.linalg.solve(b, b), np.eye(600))
assert np.linalg.eigvalsh(b).min() > 0
np.linalg.svd(a[:200, :200])
np.fft.fft(a)
with tempfile.TemporaryDirectory() as d:
    path = os.path.join(d, "a.npy")
    np.save(path, np.zeros(3_000_000))
    assert np.load(path, mmap_mode="r+").shape == (3_000_000,)
    m = np.memmap(os.path.join(d, "m"), dtype="f8", mode="w+", shape=(1000,))
    m[:] = 1
    m.flush()
    np.savez_compressed(os.path.join(d, "z"), a=a)
    a.tofile(os.path.join(d, "raw"))
    np.savetxt(os.path.join(d, "t"), a[:5, :5])
print("done")
