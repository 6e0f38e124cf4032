# expect: held timeout
# The program closes its three streams and goes on. The timeout must end it.
# layers: daemon
# limits: wall=1s
for fd in range(3): os.close(fd)
while True: pass
