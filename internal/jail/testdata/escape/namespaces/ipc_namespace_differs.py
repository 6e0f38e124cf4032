# expect: held
# The program compares its IPC namespace with that of the host.
# layers: ipc-ns
own = os.readlink("/proc/self/ns/ipc")
(escaped if own == HOST_NAMESPACES["ipc"] else held)(own)
