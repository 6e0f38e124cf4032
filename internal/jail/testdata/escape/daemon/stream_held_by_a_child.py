# expect: held
# The program ends while five processes in other sessions hold both of its output streams. The answer must not wait for them.
# layers: pid-ns
for i in range(5):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        time.sleep(3600)
held("the run ends with its first process")
os._exit(0)
