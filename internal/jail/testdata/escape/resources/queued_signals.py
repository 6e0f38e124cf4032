# expect: held
# The program sends itself signals with data, which are always queued. The limit counts them for each uid.
# layers: seccomp
signal.pthread_sigmask(signal.SIG_BLOCK, [34])
info = struct.pack("iii", 34, 0, -1) + bytes(116)
refused("rt_sigqueueinfo", lambda: syscall("rt_sigqueueinfo", os.getpid(), 34, info))
refused("rt_tgsigqueueinfo", lambda: syscall("rt_tgsigqueueinfo", os.getpid(), os.getpid(), 34, info))
