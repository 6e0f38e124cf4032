# packages: python3-diskcache
import diskcache
c=diskcache.Cache('dc'); c['a']=1; print(c['a'])
