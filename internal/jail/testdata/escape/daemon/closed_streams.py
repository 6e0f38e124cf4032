# expect: held timeout
# Nobody writes any more, and yet it runs.
# layers: daemon
# limits: wall=1s
for fd in range(3): os.close(fd)
while True: pass
