# packages: python3-sklearn python3-psutil
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split, cross_val_score, GridSearchCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.linear_model import LogisticRegression
X,y=load_iris(return_X_y=True); a,b,c,d=train_test_split(X,y,random_state=0)
print(make_pipeline(StandardScaler(),LogisticRegression()).fit(a,c).score(b,d)>0.9)
print(RandomForestClassifier(20,random_state=0,n_jobs=2).fit(a,c).score(b,d)>0.9)
import joblib; joblib.dump(RandomForestClassifier(5).fit(X,y),'m.joblib'); print(joblib.load('m.joblib').score(X,y)>.9)
