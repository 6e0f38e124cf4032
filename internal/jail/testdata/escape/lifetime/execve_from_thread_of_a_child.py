# expect: held timeout
# A thread of an orphan calls execve and becomes the process, after the first thread of the orphan has ended.
# layers: init
# limits: wall=1s
import threading
code = "import time; open('/tmp/acted', 'w').close()\nfor i in range(600): time.sleep(1)"
def replace():
    time.sleep(0.1)
    os.execv("/usr/bin/python3", ["python3", "-S", "-c", code])
if os.fork() == 0:
    if os.fork() == 0:
        threading.Thread(target=replace).start()
        libc.pthread_exit(None)
    os._exit(0)
time.sleep(60)
