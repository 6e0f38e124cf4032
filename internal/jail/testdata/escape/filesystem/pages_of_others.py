# expect: held
# Who else maps a page of the system tree: what is loaded on the host, and in other runs, is seen in the
# share of it that is ours (smaps) and in a bit of its entry (pagemap).
# layers: landlock
for name in ("smaps", "smaps_rollup", "pagemap", "numa_maps"):
    for pid in ("self", "1", "thread-self"):
        path = f"/proc/{pid}/{name}"
        if os.path.exists(path):
            refused(path, lambda: os.close(os.open(path, os.O_RDONLY)), errno.EACCES)
