# packages: python3-numexpr python3-bottleneck
import numexpr as ne, numpy as np, bottleneck as bn
a=np.arange(1e6); print(ne.evaluate('a*2+1').sum(), bn.nanmean(a))
