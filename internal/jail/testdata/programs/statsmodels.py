# packages: python3-statsmodels python3-psutil
# varies: 'Intercept': -?[0-9.]+
import numpy as np, statsmodels.api as sm, statsmodels.formula.api as smf, pandas as pd
df=pd.DataFrame({'x':np.arange(50.),'y':np.arange(50.)*2+np.random.randn(50)}); print(smf.ols('y~x',df).fit().params.round(1).to_dict())
