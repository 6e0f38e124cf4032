# expect: held
# A program can see whether other processes map a page of the system tree: in its proportional share of the page (smaps) and in a bit of the page's entry (pagemap).
# layers: landlock
for name in ("smaps", "smaps_rollup", "pagemap", "numa_maps"):
    for pid in ("self", "1", "thread-self"):
        path = f"/proc/{pid}/{name}"
        if os.path.exists(path):
            refused(path, lambda: os.close(os.open(path, os.O_RDONLY)), errno.EACCES)
