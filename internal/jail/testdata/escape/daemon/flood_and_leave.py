# expect: held exit=3
# The program writes more output than the daemon keeps, and exits. The daemon must drop the rest, and report the program's exit status.
# layers: daemon
# limits: output=64KiB
held("said before the flood")
for i in range(1000): os.write(1 + i % 2, b"z" * 32768)
os._exit(3)
