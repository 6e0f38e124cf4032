# packages: python3-psutil
import psutil
p=psutil.Process(); print(p.memory_info().rss>0, p.cpu_times().user>=0)
