# expect: held
# The program compares its network namespace with that of the host.
# layers: net-ns
own = os.readlink("/proc/self/ns/net")
(escaped if own == HOST_NAMESPACES["net"] else held)(own)
