# expect: held signal=SIGSEGV
# A crash of the interpreter is the program's own.
# layers: daemon
ctypes.string_at(0)
