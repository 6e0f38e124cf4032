# expect: held
# Nor the one of System V objects.
# layers: ipc-ns
own = os.readlink("/proc/self/ns/ipc")
(escaped if own == HOST_NAMESPACES["ipc"] else held)(own)
