# expect: held timeout
# The program writes more output to one stream than the daemon keeps.
# layers: daemon
# limits: wall=2s output=64KiB
chunk = b"x" * (1 << 16)
while True: os.write(1, chunk)
