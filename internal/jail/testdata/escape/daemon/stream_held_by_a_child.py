# expect: held
# The main program ends and a process in another session holds both streams. The answer does not wait for that process.
# layers: pid-ns
for i in range(5):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        time.sleep(3600)
held("the run ends with its first process")
os._exit(0)
