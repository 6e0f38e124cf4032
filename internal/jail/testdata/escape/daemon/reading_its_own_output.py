# expect: held
# The program opens its output streams again through /proc: for reading, which would take output from the daemon, for both, and with
# O_TRUNC. Then it makes standard output non-blocking, fills it, and writes again. The daemon must go on reading.
# layers: daemon
import fcntl
tried = []
for fd in (1, 2):
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
        try:
            again = os.open(f"/proc/self/fd/{fd}", flags | os.O_NONBLOCK)
            if not os.path.samestat(os.fstat(again), os.fstat(fd)): escaped("another file")
            os.close(again)
            tried.append("its own")
        except OSError as e: tried.append(name_of(e.errno))
held(" ".join(tried))
fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)
for i in range(1000):
    try: os.write(1, b"\n" * 4096)
    except BlockingIOError: break
fcntl.fcntl(1, fcntl.F_SETFL, 0)
held("the reader reads on")
