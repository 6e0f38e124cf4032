# packages: python3-skimage python3-psutil
from skimage import data, filters, io, measure
import numpy as np
im=np.zeros((64,64)); im[20:40,20:40]=1; print(filters.sobel(im).sum()>0, measure.label(im).max())
