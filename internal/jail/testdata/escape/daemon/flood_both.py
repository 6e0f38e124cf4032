# expect: held timeout
# Both streams at once, from several processes.
# layers: daemon
# limits: wall=2s output=64KiB
chunk = b"y" * 4096
for i in range(3): os.fork()
while True:
    os.write(1, chunk)
    os.write(2, chunk)
