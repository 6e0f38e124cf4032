# expect: held
# Twenty thousand writes of one byte, each of which could wake the reader.
# layers: daemon
for i in range(20000): os.write(2, b"x")
held("all of it written")
