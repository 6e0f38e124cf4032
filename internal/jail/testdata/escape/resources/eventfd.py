# expect: held
# Objects of the kernel's, each with a wait queue: as many as there may be descriptors.
# layers: rlimits
made = 0
while made < 100000:
    _, number = syscall("eventfd2", 0, 0)
    if number: break
    made += 1
(held if number == errno.EMFILE and made <= 256 else escaped)(f"{made}, then {name_of(number)}")
