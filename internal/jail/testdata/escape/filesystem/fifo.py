# expect: held
# A FIFO in place of an output file blocks whoever opens it on the host.
# layers: seccomp
refused("mkfifo", lambda: os.mkfifo("/home/sandbox/output"))
