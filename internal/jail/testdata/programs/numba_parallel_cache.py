# packages: python3-numba
import numba, numpy as np
@numba.njit(parallel=True)
def g(a):
    s=0.0
    for i in numba.prange(a.size): s+=a[i]
    return s
print(g(np.ones(1000)), numba.config.THREADING_LAYER)
