# expect: held
# The program makes capabilities ambient, so that a program that it executes would have them.
# layers: seccomp credentials
PR_CAP_AMBIENT, RAISE = 47, 2
for capability in (21, 12, 0, 7):
    syscall("prctl", PR_CAP_AMBIENT, RAISE, capability, 0, 0)
refused("raise CAP_SYS_ADMIN", lambda: syscall("prctl", PR_CAP_AMBIENT, RAISE, 21, 0, 0))
