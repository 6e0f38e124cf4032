# expect: held
# The program compares its user, mount, pid and uts namespaces with those of the host.
# layers: ids
for kind in ("user", "mnt", "pid", "uts"):
    own = os.readlink(f"/proc/self/ns/{kind}")
    (escaped if own == HOST_NAMESPACES[kind] else held)(f"{kind}: {own}")
