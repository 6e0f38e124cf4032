# expect: held
# The program makes each system call from number 440 (Linux 5.10) to 599, also numbers that no kernel has yet. All but epoll_pwait2 must be
# denied.
# layers: seccomp
for number_ in range(440, 600):
    if number_ == 441: continue  # epoll_pwait2, which is allowed like epoll_wait
    _, number = syscall(number_, -1, 0, 0, 0, 0, 0)
    if number not in DENIED:
        escaped(f"call {number_}: {name_of(number)}")
held("all refused")
