# expect: held
# The program reads the host's sockets, with their addresses, from the files of /proc.
# layers: net-ns landlock
for name in ("unix", "tcp", "tcp6", "udp", "raw", "packet", "netlink", "arp", "route", "fib_trie", "if_inet6"):
    try:
        text = open(f"/proc/self/net/{name}").read()
    except OSError as e:
        held(f"{name}: {name_of(e.errno)}")
        continue
    mark = ABSTRACT if name == "unix" else f":{TCP_PORT:04X} "
    (escaped if mark in text else held)(f"{name} does not show the host's")
