# expect: held
# The program makes twenty thousand writes of one byte. Each of them could wake the daemon.
# layers: daemon
for i in range(20000): os.write(2, b"x")
held("all of it written")
