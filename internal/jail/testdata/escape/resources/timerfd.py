# expect: held
# Timers are kernel memory and interrupts.
# layers: seccomp
refused("timerfd_create", lambda: syscall("timerfd_create", 0, 0))
