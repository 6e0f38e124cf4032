# packages: python3-numpy
import numpy as np
rng=np.random.default_rng(0); a=rng.normal(size=(300,300)); b=a@a.T; w,v=np.linalg.eigh(b); print(w.shape, np.allclose(v@np.diag(w)@v.T,b))
np.save('a.npy',a); print(np.load('a.npy',mmap_mode='r').shape); np.savez_compressed('z.npz',a=a); print(np.load('z.npz')['a'].sum().round(3))
np.savetxt('t.csv',a[:5],delimiter=','); print(np.loadtxt('t.csv',delimiter=',').shape)
m=np.memmap('mm.dat',dtype='f4',mode='w+',shape=(1000,100)); m[:]=1; m.flush(); print(m.sum())
print(np.fft.fft(a).shape, np.random.rand(3).shape)
