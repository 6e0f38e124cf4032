# expect: held
# The namespaces are none of the host's.
# layers: ids
for kind in ("user", "mnt", "pid", "uts"):
    own = os.readlink(f"/proc/self/ns/{kind}")
    (escaped if own == HOST_NAMESPACES[kind] else held)(f"{kind}: {own}")
