# packages: python3-pandas python3-openpyxl python3-tables
import pandas as pd, numpy as np, sqlite3, io
df=pd.DataFrame({'d':pd.date_range('2024-01-01',periods=100,freq='D'),'g':list('ab')*50,'v':np.arange(100.)})
df.to_csv('o.csv',index=False); x=pd.read_csv('o.csv',parse_dates=['d']); print(x.groupby('g').v.agg(['mean','sum'])); print(x.set_index('d').v.resample('M').sum().round(1).to_dict())
df.to_excel('o.xlsx',index=False); print(pd.read_excel('o.xlsx').shape)
con=sqlite3.connect('t.db'); df.to_sql('t',con,index=False); print(pd.read_sql('select g,sum(v) s from t group by g',con))
df.to_json('o.json'); print(pd.read_json('o.json').shape); df.to_pickle('o.pkl'); print(pd.read_pickle('o.pkl').equals(df))
print(pd.merge(df,df,on='d').pivot_table(index='g_x',values='v_x').shape)
df.to_hdf('o.h5','k'); print(pd.read_hdf('o.h5').shape)
