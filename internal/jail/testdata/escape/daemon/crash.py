# expect: held signal=SIGSEGV
# The program makes the interpreter crash. The daemon must report the signal as an outcome of the program, and not as an error of the
# sandbox.
# layers: daemon
ctypes.string_at(0)
