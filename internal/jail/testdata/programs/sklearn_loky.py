# packages: python3-sklearn python3-psutil
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC
X,y=load_iris(return_X_y=True)
g=GridSearchCV(SVC(),{'C':[1,10]},n_jobs=2,cv=3).fit(X,y); print(g.best_params_)
