# expect: held signal=SIGSEGV
# The interpreter crashes. The crash is an outcome of the program, and not an error of the sandbox.
# layers: daemon
ctypes.string_at(0)
