# expect: held exit=5
# The streams end long before the program, which the daemon must not take for its end.
# layers: daemon
os.close(1)
os.close(2)
time.sleep(0.5)
os._exit(5)
