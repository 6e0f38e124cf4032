# expect: held exit=1
# A traceback of several megabytes.
# layers: daemon
# limits: output=64KiB
held("said before the error")
raise RuntimeError("x\n" * (8 << 20))
