# packages: python3-psutil
# fails: /proc tells too little to psutil
import psutil
p=psutil.Process(); print(p.memory_info().rss>0, p.cpu_times().user>=0)
