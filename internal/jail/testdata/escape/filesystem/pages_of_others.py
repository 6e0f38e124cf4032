# expect: held
# The program opens the files of /proc that show whether other processes map a page of the system tree: smaps has its proportional share of
# the page, and pagemap a bit in the entry of the page.
# layers: landlock
for name in ("smaps", "smaps_rollup", "pagemap", "numa_maps"):
    for pid in ("self", "1", "thread-self"):
        path = f"/proc/{pid}/{name}"
        if os.path.exists(path):
            refused(path, lambda: os.close(os.open(path, os.O_RDONLY)), errno.EACCES)
