# expect: held
# The program opens every file of /proc for writing: labels, audit ids, limits, memory, the state of the scheduler.
# layers: attributes
n = 0
for top, directories, files in os.walk("/proc"):
    directories[:] = [d for d in directories if d not in ("fd", "map_files") and not os.path.islink(os.path.join(top, d))]
    for name in files:
        n += 1
        path = os.path.join(top, name)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            escaped(path)
        except OSError:
            pass
(held if n > 50 else unclear)(f"{n} files")
