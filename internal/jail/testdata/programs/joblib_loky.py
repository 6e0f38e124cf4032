# packages: python3-joblib python3-psutil
from joblib import Parallel, delayed, Memory
import math
print(Parallel(n_jobs=2)(delayed(math.sqrt)(i**2) for i in range(10)))
m=Memory('cache',verbose=0)
@m.cache
def f(x): return x+1
print(f(1),f(1))
