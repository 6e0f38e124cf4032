# expect: held exit=5
# The program closes its output streams half a second before it ends. The daemon must not take that for the end of the program.
# layers: daemon
os.close(1)
os.close(2)
time.sleep(0.5)
os._exit(5)
