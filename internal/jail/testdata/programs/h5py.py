# packages: python3-h5py
import h5py, numpy as np
with h5py.File('x.h5','w') as f: f['a']=np.arange(10); f.create_dataset('b',data=np.ones((100,100)),compression='gzip')
with h5py.File('x.h5','r') as f: print(f['a'][:].sum(), f['b'].shape)
with h5py.File('x.h5','a') as f: f['c']=1
