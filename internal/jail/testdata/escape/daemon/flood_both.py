# expect: held timeout
# Several processes write more output to both streams than the daemon keeps.
# layers: daemon
# limits: wall=2s output=64KiB
chunk = b"y" * 4096
for i in range(3): os.fork()
while True:
    os.write(1, chunk)
    os.write(2, chunk)
