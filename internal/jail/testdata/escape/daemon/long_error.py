# expect: held exit=1
# The program ends with a traceback of several megabytes. Its lines are long: since Python 3.13, the traceback module makes objects for each
# line, and for 8 million short lines it would need 600 MiB.
# layers: daemon
# limits: output=64KiB
held("said before the error")
raise RuntimeError(("x" * 1023 + "\n") * (16 << 10))
