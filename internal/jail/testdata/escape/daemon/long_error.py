# expect: held exit=1
# The program ends with a traceback of 16 MiB.
# layers: daemon
# limits: output=64KiB
held("said before the error")
raise RuntimeError("x\n" * (8 << 20))
