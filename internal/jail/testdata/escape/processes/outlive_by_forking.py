# expect: held timeout
# Each process forks the next one and ends, faster than a list of processes can be read. The timeout must end all of them.
# layers: daemon
# limits: wall=1s
if os.fork() == 0:
    while True:
        try:
            if os.fork():
                os._exit(0)
        except OSError:
            pass
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    time.sleep(1000)
