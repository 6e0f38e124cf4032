# expect: held
# The program unlocks the securebits, and sets the flag that keeps capabilities when the user id changes (PR_SET_KEEPCAPS).
# layers: seccomp credentials
PR_SET_SECUREBITS, PR_SET_KEEPCAPS = 28, 8
for bits in (0, 1 << 4, 0xff):
    refused(f"PR_SET_SECUREBITS {bits}", lambda: syscall("prctl", PR_SET_SECUREBITS, bits, 0, 0, 0))
refused("PR_SET_KEEPCAPS", lambda: syscall("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0))
