# expect: held
# Twenty thousand writes of a byte: a wake-up of the reader's each.
# layers: daemon
for i in range(20000): os.write(2, b"x")
held("all of it written")
