# packages: python3-seaborn
import seaborn as sns, pandas as pd, numpy as np
sns.set_theme(); df=pd.DataFrame({'x':np.random.randn(100),'y':np.random.randn(100),'h':list('ab')*50})
g=sns.scatterplot(data=df,x='x',y='y',hue='h'); g.figure.savefig('s.png'); sns.heatmap(df[['x','y']].corr(),annot=True).figure.savefig('h.png'); print('ok')
