# expect: held timeout
# The program writes output to one stream without end. The daemon keeps 64 KiB of it, and ends the program at the timeout.
# layers: daemon
# limits: wall=2s output=64KiB
chunk = b"x" * (1 << 16)
while True: os.write(1, chunk)
