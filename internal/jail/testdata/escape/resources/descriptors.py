# expect: held
# The program opens files, pipes and sockets, and duplicates a descriptor, until it fails. The table of open files belongs to the host
# (fs.file-max), and a limit for each process bounds the use of it.
# layers: rlimits
keep = []
for what, make in (("files", lambda: os.open("/dev/null", 0)), ("pipes", lambda: keep.extend(os.pipe())), ("epoll", lambda: os.dup(poll.fileno())),
                   ("sockets", lambda: socket.socket().detach())):
    import select
    poll = select.epoll()
    keep.clear()
    try:
        for i in range(100000):
            made = make()
            if made is not None: keep.append(made)
        escaped(f"{len(keep)} {what}")
    except OSError as e:
        held(f"{what}: {name_of(e.errno)} at {len(keep)}")
        if len(keep) > 256: escaped(f"{len(keep)} {what}")
    for fd in keep: os.close(fd)
    poll.close()
refused("a descriptor of 10000", lambda: os.dup2(0, 10000), errno.EBADF)
