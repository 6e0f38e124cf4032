# expect: held timeout
# A thread other than the first calls execve and becomes the process. Attributes that the first thread has set for itself, such as a parent
# death signal, are lost.
# layers: init
# limits: wall=1s
import threading
code = "import time; open('/tmp/acted', 'w').close()\nfor i in range(600): time.sleep(1)"
threading.Thread(target=lambda: os.execv("/usr/bin/python3", ["python3", "-S", "-c", code])).start()
time.sleep(60)
