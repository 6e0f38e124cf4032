# expect: held timeout
# More output than is kept, on one stream.
# layers: daemon
# limits: wall=2s output=64KiB
chunk = b"x" * (1 << 16)
while True: os.write(1, chunk)
