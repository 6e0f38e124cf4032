# packages: python3-tables
import tables, numpy as np
f=tables.open_file('t.h5','w'); f.create_array('/','a',np.arange(5)); f.close(); print(tables.open_file('t.h5').root.a[:])
