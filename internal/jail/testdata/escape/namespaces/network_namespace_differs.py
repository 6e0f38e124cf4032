# expect: held
# Nor is the network namespace.
# layers: net-ns
own = os.readlink("/proc/self/ns/net")
(escaped if own == HOST_NAMESPACES["net"] else held)(own)
