# packages: python3-filelock
from filelock import FileLock
with FileLock('x.lock',timeout=2): print('locked')
