# expect: held
# Calls newer than the profile: mounts listed and statted, memory sealed, futexes, attributes, name spaces.
# layers: seccomp
for number_ in range(440, 600):
    if number_ == 441: continue  # epoll_pwait2, the twin of epoll_wait
    _, number = syscall(number_, -1, 0, 0, 0, 0, 0)
    if number not in DENIED:
        escaped(f"call {number_}: {name_of(number)}")
held("all refused")
