# expect: held timeout
# Eight processes write output to both streams without end. The daemon keeps 64 KiB of each stream, and ends them at the timeout.
# layers: daemon
# limits: wall=2s output=64KiB
chunk = b"y" * 4096
for i in range(3): os.fork()
while True:
    os.write(1, chunk)
    os.write(2, chunk)
