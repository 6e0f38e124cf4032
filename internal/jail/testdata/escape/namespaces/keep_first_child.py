# expect: held
# The program calls unshare with CLONE_NEWPID, and forks. Its namespace does not change, but its next child would be process 1 of a new pid
# namespace.
# layers: seccomp credentials
refused("unshare(CLONE_NEWPID)", lambda: syscall("unshare", 0x20000000))
pid = os.fork()
if pid == 0:
    os._exit(1 if os.getpid() == 1 else 0)
(escaped if os.waitpid(pid, 0)[1] else held)("the child is not process 1 of another namespace")
