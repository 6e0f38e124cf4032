# expect: held timeout
# All writers of the streams are closed, but the program goes on.
# layers: daemon
# limits: wall=1s
for fd in range(3): os.close(fd)
while True: pass
