# packages: python3-xarray python3-dask python3-psutil
import xarray as xr, numpy as np, dask.array as da, dask, dask.bag as db
if __name__ == "__main__":  # the processes of the bag import this file
    print(xr.DataArray(np.ones((3,3)),dims=('a','b')).mean('a').values, da.ones((1000,1000),chunks=100).sum().compute(), dask.delayed(sum)([1,2]).compute())
    print(db.from_sequence(range(10)).map(lambda x:x+1).sum().compute(scheduler='processes'))
