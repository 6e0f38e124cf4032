# expect: held signal=SIGSEGV,signal=SIGBUS,signal=SIGABRT,signal=SIGILL,exit=1,exit=0
# The interpreter does not check bytecode, so malformed bytecode can make it do anything. It still runs with the rights of the program.
# layers: credentials seccomp
held("whatever it does now it does inside")
f = lambda: 0
f.__code__ = f.__code__.replace(co_code=bytes(range(1, 255, 2)) * 8, co_stacksize=0)
f()
