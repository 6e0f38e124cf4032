# expect: held exit=3
# A flood that ends by itself is counted and dropped, and the exit status is that of the program.
# layers: daemon
# limits: output=64KiB
held("said before the flood")
for i in range(1000): os.write(1 + i % 2, b"z" * 32768)
os._exit(3)
