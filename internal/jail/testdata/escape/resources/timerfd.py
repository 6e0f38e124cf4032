# expect: held
# The program creates as many timerfds as the limit of descriptors allows. Each is a kernel object with a wait queue and a timer.
# layers: rlimits
made = 0
while made < 100000:
    _, number = syscall("timerfd_create", 1, 0)
    if number: break
    made += 1
(held if number == errno.EMFILE and made <= 256 else escaped)(f"{made}, then {name_of(number)}")
