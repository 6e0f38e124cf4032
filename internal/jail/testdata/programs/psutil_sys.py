# packages: python3-psutil
# varies: (?m)^[0-9.]+$
import psutil
print(psutil.cpu_count()); print(psutil.virtual_memory().total>0); print(psutil.cpu_percent(0.1)); print(psutil.disk_usage('/').total>0)
